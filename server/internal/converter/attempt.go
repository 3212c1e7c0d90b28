package converter

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/sx"
)

// writeTimeout bounds a claim, and a write after shutdown has started.
const writeTimeout = 5 * time.Second

// errLeaseLost aborts an attempt that no longer holds its job.
var errLeaseLost = errors.New("the job was cancelled, or its lease expired")

// attempt converts a claimed job and records the result. The lease is held until
// expiry.
func (s *Service) attempt(ctx context.Context, job sx.Job, expiry time.Time) {
	end := s.metrics.startAttempt()
	log := s.Log.With("job", job.ID, "attempt", job.Attempt)
	log.InfoContext(ctx, "conversion started", "video", job.Sent.Name, "size", job.Sent.Size)

	attemptCtx, abort := context.WithCancelCause(ctx)
	renewer := s.startRenewing(attemptCtx, abort, job, expiry, log)
	track, warnings, err := s.convert(attemptCtx, job, renewer.setProgress)
	expiry = renewer.stop()
	cause := context.Cause(attemptCtx)
	abort(nil)

	switch {
	case err == nil:
		end(s.finish(ctx, job, track, warnings, expiry, log))
	case errors.Is(cause, errLeaseLost):
		log.InfoContext(ctx, "conversion aborted", "cause", errLeaseLost)
		end(resultLeaseLost)
	case ctx.Err() != nil:
		s.release(ctx, job, log)
		end(resultReleased)
	default:
		end(s.fail(ctx, job, err, expiry, log))
	}
}

// finish records the track as the job's result. If the job is no longer this
// attempt's, it removes the track.
func (s *Service) finish(ctx context.Context, job sx.Job, track sx.Track, warnings []sx.Warning, expiry time.Time, log *slog.Logger) string {
	err := s.record(ctx, job.ID, expiry, func(j *sx.Job) error {
		if slices.ContainsFunc(j.Tracks, func(t sx.Track) bool { return t.ID == track.ID }) {
			return errAlreadyRecorded
		}
		return j.Finish(job.Attempt, track, warnings, s.Now())
	})
	switch {
	case err == nil:
		log.InfoContext(ctx, "conversion done", "duration", track.Duration, "size", track.Size, "warnings", len(warnings))
		return resultDone
	case jobs.IsStale(err):
		log.InfoContext(ctx, "result discarded", "cause", errLeaseLost, "error", err)
		s.removeTrack(ctx, track.ID)
		return resultLeaseLost
	default:
		// The result may have been stored nevertheless. If not, another attempt
		// follows, and the sweep removes the track.
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
	err := s.record(ctx, job.ID, expiry, func(j *sx.Job) error { return j.Fail(job.Attempt, known, s.Now()) })
	switch {
	case jobs.IsStale(err): // or an earlier write was stored although its response was lost
		log.InfoContext(ctx, "failure discarded", "cause", errLeaseLost, "error", err)
	case err != nil:
		log.WarnContext(ctx, "failure not recorded; the lease will expire", "error", err)
	}
	return string(known.Code)
}

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

// errAlreadyRecorded means that an earlier write of record was stored although
// its response was lost.
var errAlreadyRecorded = errors.New("already recorded")

// record updates the job, retrying while the store is unavailable, until the lease
// has expired.
func (s *Service) record(ctx context.Context, id string, expiry time.Time, update func(*sx.Job) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(writeTimeout, expiry.Sub(s.Now())))
	defer cancel()
	for {
		_, err := s.Updater.Update(ctx, id, update)
		switch {
		case errors.Is(err, errAlreadyRecorded):
			return nil
		case err == nil, jobs.IsStale(err), backoff.Sleep(ctx, s.ProgressInterval) != nil:
			return err
		}
	}
}
