package converter

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// writeTimeout bounds a claim, and a write after shutdown has started.
const writeTimeout = 5 * time.Second

// errLeaseLost aborts an attempt that no longer holds its job.
var errLeaseLost = errors.New("the job was cancelled, or its lease expired")

// attempt converts a claimed job and records the result. Its span belongs to the trace in
// which the job was queued.
func (s *Service) attempt(ctx context.Context, c claimed) {
	job, expiry := c.job, c.expiry
	ctx, span := tracing.Start(tracing.From(ctx, job.Trace), "convert", trace.WithLinks(c.from),
		trace.WithAttributes(tracing.Job(job.ID), tracing.KeyAttempt.Int(job.Attempt)))
	defer span.End()
	counted := s.metrics.startAttempt()
	end := func(result string) {
		counted(result)
		if span.SetAttributes(attribute.String("soundextract.job.result", result)); result != resultDone && result != resultReleased {
			span.SetStatus(codes.Error, result)
		}
	}
	log := s.Log.With("job", job.ID, "attempt", job.Attempt)
	log.InfoContext(ctx, "conversion started", "video", job.Sent.Name, "size", job.Sent.Size)

	attemptCtx, abort := context.WithCancelCause(ctx)
	renewer := s.startRenewing(attemptCtx, abort, job, expiry, log)
	tracks, warnings, err := s.convert(attemptCtx, job, renewer.setProgress)
	expiry = renewer.stop()
	cause := context.Cause(attemptCtx)
	abort(nil)

	switch {
	case err == nil:
		end(s.finish(ctx, job, tracks, warnings, expiry, log))
	case errors.Is(cause, errLeaseLost):
		log.InfoContext(ctx, "conversion aborted", "cause", errLeaseLost)
		s.handBack(ctx, job, log)
		end(resultLeaseLost)
	case ctx.Err() != nil:
		s.release(ctx, job, log)
		end(resultReleased)
	default:
		end(s.fail(ctx, job, err, expiry, log))
	}
}

// finish records the tracks as the job's result. If the job is no longer this
// attempt's, it removes them.
func (s *Service) finish(ctx context.Context, job sx.Job, tracks []sx.Track, warnings []sx.Warning, expiry time.Time, log *slog.Logger) string {
	err := s.record(ctx, job.ID, expiry, func(j *sx.Job) error {
		if slices.ContainsFunc(j.Tracks, func(t sx.Track) bool { return madeBy(t, job.Attempt) }) {
			return errAlreadyRecorded
		}
		return j.Finish(job.Attempt, tracks, warnings, s.Now())
	})
	switch {
	case err == nil:
		var all sx.Track
		for _, t := range tracks {
			all.Duration, all.Size = all.Duration+t.Duration, all.Size+t.Size
		}
		log.InfoContext(ctx, "conversion done", "tracks", len(tracks), "duration", all.Duration, "size", all.Size, "warnings", len(warnings))
		return resultDone
	case jobs.IsStale(err):
		log.InfoContext(ctx, "result discarded", "cause", errLeaseLost, "error", err)
		s.removeTracks(ctx, tracks)
		return resultLeaseLost
	default:
		// The result may have been stored nevertheless. If not, another attempt
		// follows, and the sweep removes the tracks.
		log.WarnContext(ctx, "result not recorded", "error", err)
		return string(sx.CodeOf(err))
	}
}

// fail records the error, which queues the job again or ends it.
func (s *Service) fail(ctx context.Context, job sx.Job, cause error, expiry time.Time, log *slog.Logger) string {
	known := sx.AsError(cause)
	if known.Code == sx.CodeInternal {
		known = sx.NewError(sx.CodeConversionFailed, "the conversion failed").WithCause(cause)
	}
	log.WarnContext(ctx, "conversion failed", "code", string(known.Code), "reason", known.Message, "cause", rootCause(cause))
	var program *ProgramError
	err := s.record(ctx, job.ID, expiry, func(j *sx.Job) error {
		if errors.As(cause, &program) {
			if err := j.Report(job.Attempt, program.Lines); err != nil {
				return err
			}
		}
		if pause := outages[known.Code]; pause > 0 {
			return j.Postpone(job.Attempt, known, pause, s.Now())
		}
		return j.Fail(job.Attempt, known, s.Now())
	})
	switch {
	case jobs.IsStale(err): // or an earlier write was stored although its response was lost
		log.InfoContext(ctx, "failure discarded", "cause", errLeaseLost, "error", err)
	case err != nil:
		log.WarnContext(ctx, "failure not recorded; the lease will expire", "error", err)
	}
	return string(known.Code)
}

// outages are the codes of errors of the store, which say nothing about the job, with the
// pause before the next attempt: a full disk takes longer to fix.
var outages = map[sx.Code]time.Duration{sx.CodeUnavailable: 10 * time.Second, sx.CodeStorageFull: time.Minute}

// rootCause is the message of the innermost error below those for users.
func rootCause(err error) string {
	var known *sx.Error
	for errors.As(err, &known) && known.Unwrap() != nil {
		err = known.Unwrap()
	}
	return err.Error()
}

// release returns the job to the queue on shutdown. It outlives ctx by at most
// writeTimeout.
func (s *Service) release(ctx context.Context, job sx.Job, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	_, err := s.Updater.Update(ctx, job.ID, func(j *sx.Job) error { return j.Release(job.Attempt, s.Now()) })
	switch {
	case err == nil:
		log.InfoContext(ctx, "job released")
	case !jobs.IsStale(err):
		log.WarnContext(ctx, "job not released; the lease will expire", "error", err)
	}
}

// handBack returns the job to the queue once the store can be reached again, unless
// another converter has taken it meanwhile: a lease that could not be renewed costs the
// job no attempt.
func (s *Service) handBack(ctx context.Context, job sx.Job, log *slog.Logger) {
	pause := s.writeRetries()
	for {
		update, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		_, err := s.Updater.Update(update, job.ID, func(j *sx.Job) error { return j.Release(job.Attempt, s.Now()) })
		cancel()
		switch {
		case err == nil:
			log.InfoContext(ctx, "job released")
			return
		case jobs.IsStale(err) || backoff.Sleep(ctx, pause.Next()) != nil:
			return
		}
	}
}

// errAlreadyRecorded means that an earlier write of record was stored although
// its response was lost.
var errAlreadyRecorded = errors.New("already recorded")

// madeBy reports whether the attempt produced the track, which may have been edited since.
func madeBy(t sx.Track, attempt int) bool {
	made, _, ok := sx.TrackOrigin(t.ID)
	return ok && made == attempt
}

// record updates the job, retrying while the store is unavailable, until the lease
// has expired.
func (s *Service) record(ctx context.Context, id string, expiry time.Time, update func(*sx.Job) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(writeTimeout, expiry.Sub(s.Now())))
	defer cancel()
	pause := s.writeRetries()
	for {
		_, err := s.Updater.Update(ctx, id, update)
		switch {
		case errors.Is(err, errAlreadyRecorded):
			return nil
		case err == nil, jobs.IsStale(err), backoff.Sleep(ctx, pause.Next()) != nil:
			return err
		}
	}
}

// writeRetries are the pauses between attempts to store a change. There are several in the
// length of a lease.
func (s *Service) writeRetries() *backoff.Backoff {
	return &backoff.Backoff{First: s.ProgressInterval, Max: max(s.ProgressInterval, s.Lease/6)}
}
