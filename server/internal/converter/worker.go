package converter

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/sx"
)

const (
	// pause is how long a slot waits after the store or the bus failed it.
	pause = time.Second
	// claimTime bounds a claim and what is written on shutdown.
	claimTime = 5 * time.Second
)

// serve is one slot: it takes one job after another until ctx ends.
func (s *Service) serve(ctx context.Context) {
	for ctx.Err() == nil {
		d, err := s.Bus.Receive(ctx, bus.Convert)
		switch {
		case err == nil:
			s.answer(ctx, d)
		case ctx.Err() == nil:
			s.Log.WarnContext(ctx, "receive failed; retrying", "error", err)
			wait(ctx, pause)
		}
	}
}

// answer claims the job that the message names and works on it.
func (s *Service) answer(ctx context.Context, d bus.Delivery) {
	id := d.Message().JobID
	begun := s.Now()
	job, err := s.claim(ctx, id)
	switch {
	case err == nil:
		// The claim is stored, so the message has done its work: holding it for
		// hours would only make the broker consider this receiver dead.
		s.ack(ctx, d)
		s.attempt(ctx, job, begun.Add(s.Lease))
	case settled(err):
		s.Log.DebugContext(ctx, "message for a job that is not due", "job", id, "error", err)
		s.ack(ctx, d)
	default:
		s.Log.WarnContext(ctx, "job not claimed, trying again", "job", id, "error", err)
		wait(ctx, pause)
		if err := d.Nack(context.WithoutCancel(ctx)); err != nil {
			s.Log.WarnContext(ctx, "nack failed; the reconciler will publish again", "job", id, "error", err)
		}
	}
}

// claim is not cut short by ctx's end: half a claim is a job that nobody holds.
func (s *Service) claim(ctx context.Context, id string) (sx.Job, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTime)
	defer cancel()
	return s.Updater.Update(ctx, id, func(j *sx.Job) error { return j.Claim(s.worker, s.Lease, s.Now()) })
}

func (s *Service) ack(ctx context.Context, d bus.Delivery) {
	if err := d.Ack(context.WithoutCancel(ctx)); err != nil {
		s.Log.WarnContext(ctx, "ack failed; the message will be redelivered", "job", d.Message().JobID, "error", err)
	}
}

// errLost ends an attempt that no longer holds its job.
var errLost = errors.New("the job was cancelled, or its lease ran out")

// attempt works on a claimed job and records how it ended.
func (s *Service) attempt(ctx context.Context, job sx.Job, lease time.Time) {
	end := s.metrics.begin()
	log := s.Log.With("job", job.ID, "attempt", job.Attempt)
	log.InfoContext(ctx, "conversion begins", "video", job.Video.Name, "size", job.Video.Size)

	work, stop := context.WithCancelCause(ctx)
	heart := s.startHeart(work, stop, job, lease, log)
	track, err := s.convert(work, job, heart.report)
	lease = heart.stop()
	why := context.Cause(work)
	stop(nil)

	switch {
	case err == nil:
		end(s.finish(ctx, job, track, lease, log))
	case errors.Is(why, errLost):
		log.InfoContext(ctx, "conversion stopped, the job is no longer ours")
		end(resultLost)
	case ctx.Err() != nil:
		s.release(ctx, job, log)
		end(resultReleased)
	default:
		end(s.fail(ctx, job, err, lease, log))
	}
}

// finish makes the track the job's result, unless the job is no longer ours;
// then the track is removed.
func (s *Service) finish(ctx context.Context, job sx.Job, track sx.Track, lease time.Time, log logger) string {
	err := s.record(ctx, job.ID, lease, func(j *sx.Job) error {
		if j.Track != nil && j.Track.ID == track.ID {
			return errRecorded
		}
		return j.Finish(job.Attempt, track, s.Now())
	})
	switch {
	case err == nil:
		log.InfoContext(ctx, "conversion done", "duration", track.Duration, "size", track.Size)
		return resultDone
	case settled(err):
		log.InfoContext(ctx, "result dropped, the job is no longer ours", "error", err)
		s.dropTrack(ctx, track.ID)
		return resultLost
	default:
		// Nobody knows whether it was stored. If not, another attempt follows, and
		// the sweep removes the track.
		log.WarnContext(ctx, "result not recorded", "error", err)
		return string(sx.CodeOf(err))
	}
}

// fail records the error, which may bring the job back to the queue.
func (s *Service) fail(ctx context.Context, job sx.Job, cause error, lease time.Time, log logger) string {
	known := sx.AsError(cause)
	if known.Code == sx.CodeInternal {
		known = sx.NewError(sx.CodeConversionFailed, "the conversion failed").WithCause(cause)
	}
	log.WarnContext(ctx, "conversion failed", "code", string(known.Code), "reason", known.Message, "cause", deepest(cause))
	err := s.record(ctx, job.ID, lease, func(j *sx.Job) error { return j.Fail(job.Attempt, known, s.Now()) })
	switch {
	case settled(err): // by the owner, or by a try of ours whose answer got lost
		log.InfoContext(ctx, "the job is no longer ours", "error", err)
	case err != nil:
		log.WarnContext(ctx, "failure not recorded, the lease will run out", "error", err)
	}
	return string(known.Code)
}

// deepest is what the error's chain says below the message for people.
func deepest(err error) string {
	var known *sx.Error
	for errors.As(err, &known) && known.Unwrap() != nil {
		err = known.Unwrap()
	}
	return err.Error()
}

// release hands the job back on shutdown. It outlives ctx, for a short time.
func (s *Service) release(ctx context.Context, job sx.Job, log logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTime)
	defer cancel()
	_, err := s.Updater.Update(ctx, job.ID, func(j *sx.Job) error { return j.Release(job.Attempt, s.Now()) })
	switch {
	case err == nil:
		log.InfoContext(ctx, "job handed back")
	case !settled(err):
		log.WarnContext(ctx, "job not handed back, the lease will run out", "error", err)
	}
}

// errRecorded says that an earlier try of record was stored though its answer
// got lost.
var errRecorded = errors.New("recorded already")

// record changes the job, again and again while the store is away, until the
// lease has run out.
func (s *Service) record(ctx context.Context, id string, lease time.Time, change func(*sx.Job) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(claimTime, lease.Sub(s.Now())))
	defer cancel()
	for {
		_, err := s.Updater.Update(ctx, id, change)
		switch {
		case errors.Is(err, errRecorded):
			return nil
		case err == nil, settled(err), !wait(ctx, s.Report):
			return err
		}
	}
}
