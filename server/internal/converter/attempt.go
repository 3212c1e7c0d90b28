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

// writeTimeout bounds each try of a claim and of record, and all tries after shutdown has
// started.
const writeTimeout = 5 * time.Second

// errLeaseLost aborts an attempt that no longer holds its job.
var errLeaseLost = errors.New("the job was cancelled, or its lease expired")

// attempt converts a claimed job and records the result. Its span belongs to the trace in
// which the job was queued.
func (s *Service) attempt(ctx context.Context, c claimed) {
	job := c.job
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
	renewer := s.startRenewing(attemptCtx, abort, job, c.expiry, log)
	tracks, warnings, err := s.convert(attemptCtx, job, renewer.setProgress)
	renewer.stop()
	cause := context.Cause(attemptCtx)
	abort(nil)

	switch {
	case err == nil:
		end(s.finish(ctx, job, tracks, warnings, log))
	case errors.Is(cause, errLeaseLost):
		log.InfoContext(ctx, "conversion aborted", "cause", errLeaseLost)
		s.release(ctx, job, log)
		end(resultLeaseLost)
	case ctx.Err() != nil:
		s.release(ctx, job, log)
		end(resultReleased)
	default:
		end(s.fail(ctx, job, err, log))
	}
}

// finish records the tracks as the job's result. If the job is no longer this
// attempt's, it removes them.
func (s *Service) finish(ctx context.Context, job sx.Job, tracks []sx.Track, warnings []sx.Warning, log *slog.Logger) string {
	_, err := s.record(ctx, job.ID, log, func(j *sx.Job) error {
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
func (s *Service) fail(ctx context.Context, job sx.Job, cause error, log *slog.Logger) string {
	known := sx.AsError(cause)
	if known.Code == sx.CodeInternal {
		known = sx.NewError(sx.CodeConversionFailed, "the conversion failed").WithCause(cause)
	}
	log.WarnContext(ctx, "conversion failed", "code", string(known.Code), "reason", known.Message, "cause", rootCause(cause))
	var program *ProgramError
	_, err := s.record(ctx, job.ID, log, func(j *sx.Job) error {
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

// release returns the job to the queue, unless another converter has taken it meanwhile:
// a shutdown or a lease that could not be renewed costs the job no attempt.
func (s *Service) release(ctx context.Context, job sx.Job, log *slog.Logger) {
	_, err := s.record(ctx, job.ID, log, func(j *sx.Job) error { return j.Release(job.Attempt, s.Now()) })
	switch {
	case err == nil:
		log.InfoContext(ctx, "job released")
	case !jobs.IsStale(err):
		log.WarnContext(ctx, "job not released; the lease will expire", "error", err)
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

// record updates the job, retrying while the store is unavailable, however long that is:
// other converters expire the lease only after they have reached the store for the length
// of one, so an attempt whose converter lives through an outage ends as it should. If they
// do, the update is refused, since the attempt is no longer the job's. After ctx has ended,
// record returns within writeTimeout.
func (s *Service) record(ctx context.Context, id string, log *slog.Logger, update func(*sx.Job) error) (sx.Job, error) {
	ctx, cancel := outlast(ctx, writeTimeout)
	defer cancel()
	pause, retrying := s.writeRetries(), false
	for {
		try, cancel := context.WithTimeout(ctx, writeTimeout)
		job, err := s.Updater.Update(try, id, update)
		cancel()
		switch {
		case errors.Is(err, errAlreadyRecorded):
			return job, nil
		case err == nil, jobs.IsStale(err), sx.CodeOf(err) == sx.CodeStoredFormat: // this process can store nothing any more
			return job, err
		case !retrying:
			log.WarnContext(ctx, "job not updated; retrying", "error", err)
			retrying = true
		}
		if backoff.Sleep(ctx, pause.Next()) != nil {
			return job, err
		}
	}
}

// outlast returns a context that ends d after ctx has ended. cancel must be called.
func outlast(ctx context.Context, d time.Duration) (longer context.Context, cancel func()) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = backoff.Sleep(longer, d) // or until it is cancelled
		end()
	})
	return longer, func() { stop(); end() }
}

// writeRetries are the pauses between attempts to store a change. There are several in the
// length of a lease.
func (s *Service) writeRetries() *backoff.Backoff {
	return &backoff.Backoff{First: s.ProgressInterval, Max: max(s.ProgressInterval, s.Lease/6)}
}
