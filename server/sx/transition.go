package sx

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Limits of the automatic attempts at a job. A failure is an error that may not recur. An
// expired lease means a lost converter, which is far more often the cluster's fault than
// the video's, so more of them are allowed. An attempt that ends because of a store or a
// rollout counts as neither.
const (
	MaxFailures         = 4
	MaxLeaseExpirations = 10
)

// transitions lists the allowed transitions; docs/architecture.md has a diagram.
var transitions = map[State][]State{
	StateUploading: {StateQueued, StateCancelled, StateExpired},
	StateQueued:    {StateRunning, StateCancelled},
	StateRunning:   {StateDone, StateFailed, StateQueued, StateCancelled},
	StateFailed:    {StateQueued},
	StateCancelled: {StateQueued},
}

// move changes the state, or returns an Error of code conflict if the transition
// is not allowed.
func (j *Job) move(to State, now time.Time) error {
	for _, s := range transitions[j.State] {
		if s == to {
			j.State, j.Updated = to, now
			j.Worker, j.Lease, j.NotBefore, j.Check = "", time.Time{}, time.Time{}, time.Time{}
			j.Remaining, j.Reserved, j.Ended = 0, 0, time.Time{}
			if to.Final() {
				j.Ended, j.Check = now, now
			}
			return nil
		}
	}
	return NewError(CodeConflict, "job %s is %s and cannot become %s", j.ID, j.State, to)
}

// Queue queues the job once its upload is complete.
func (j *Job) Queue(sha256 string, now time.Time) error {
	if j.State != StateUploading {
		return NewError(CodeConflict, "job %s is %s, not uploading", j.ID, j.State)
	}
	j.Sent.SHA256, j.Queued = sha256, now
	j.completeSources()
	return j.move(StateQueued, now)
}

// Claimable reports whether the job waits for a converter at now.
func (j *Job) Claimable(now time.Time) bool {
	return j.State == StateQueued && !now.Before(j.NotBefore)
}

// Claim leases a queued job to a worker. It returns an Error of code conflict if
// the job is not queued or not due.
func (j *Job) Claim(worker string, lease time.Duration, now time.Time) error {
	if !j.Claimable(now) {
		return NewError(CodeConflict, "job %s is %s, not due for a converter", j.ID, j.State)
	}
	if err := j.move(StateRunning, now); err != nil {
		return err
	}
	j.Attempt++
	j.Progress, j.Error = 0, nil
	j.Worker, j.Lease = worker, now.Add(lease)
	j.startAttempt(worker, now)
	return nil
}

// held returns an Error of code conflict unless the attempt holds the job's lease.
func (j *Job) held(attempt int) error {
	if j.State != StateRunning || j.Attempt != attempt {
		return NewError(CodeConflict, "attempt %d no longer holds job %s (%s, attempt %d)",
			attempt, j.ID, j.State, j.Attempt)
	}
	return nil
}

// maxRunning is the progress of a job that has converted all, but may still fail.
const maxRunning = 99

// RenewLease extends the attempt's lease and records its progress.
func (j *Job) RenewLease(attempt int, lease time.Duration, percent float64, remaining time.Duration, now time.Time) error {
	if err := j.held(attempt); err != nil {
		return err
	}
	j.Lease, j.Updated = now.Add(lease), now
	j.Progress, j.Remaining = max(j.Progress, min(percent, maxRunning)), remaining
	return nil
}

// Reserve sets how much is reserved in the owner's total for what the attempt produces.
func (j *Job) Reserve(attempt int, bytes int64) error {
	if err := j.held(attempt); err != nil {
		return err
	}
	j.Reserved = bytes
	return nil
}

// Finish completes the job with the attempt's tracks, numbered in their order, and the
// warnings about them.
func (j *Job) Finish(attempt int, tracks []Track, warnings []Warning, now time.Time) error {
	if err := j.held(attempt); err != nil {
		return err
	}
	j.endAttempt(AttemptDone, nil, now)
	if err := j.move(StateDone, now); err != nil {
		return err
	}
	j.Tracks, j.Warnings = slices.Clone(tracks), cleanWarnings(warnings)
	for i := range j.Tracks {
		j.Tracks[i].Number = i + 1
		j.Tracks[i].cleanTexts(len(tracks))
	}
	j.Progress, j.Notification, j.Check = 100, NotificationPending, now.Add(notifyCheck)
	return nil
}

// Fail ends the attempt with an error. If the error is permanent, the owner's quota is
// exceeded or MaxFailures is reached, the job fails; otherwise it is queued again with a
// backoff.
func (j *Job) Fail(attempt int, cause *Error, now time.Time) error {
	if err := j.held(attempt); err != nil {
		return err
	}
	j.endAttempt(AttemptFailed, cause, now)
	j.Failures++
	if cause.Code.Permanent() || cause.Code == CodeQuotaExceeded || j.Failures >= MaxFailures {
		return j.giveUp(cause, now)
	}
	j.Error = cause
	if err := j.move(StateQueued, now); err != nil {
		return err
	}
	j.NotBefore = now.Add(jitter(backoff(j.Failures)))
	return nil
}

// Postpone ends the attempt because of an error that has nothing to do with the job, such
// as a store that cannot be reached, and queues the job again after a pause. This does not
// count as a failure.
func (j *Job) Postpone(attempt int, cause *Error, pause time.Duration, now time.Time) error {
	if err := j.held(attempt); err != nil {
		return err
	}
	j.endAttempt(AttemptPostponed, cause, now)
	j.Error = cause
	if err := j.move(StateQueued, now); err != nil {
		return err
	}
	j.NotBefore = now.Add(jitter(pause))
	return nil
}

// Release queues the job again because its worker is shutting down. This does not
// count as a failure and there is no backoff.
func (j *Job) Release(attempt int, now time.Time) error {
	if err := j.held(attempt); err != nil {
		return err
	}
	j.endAttempt(AttemptReleased, nil, now)
	return j.move(StateQueued, now)
}

// ExpireLease returns a running job whose lease has expired to the queue, after a pause if
// it is not the first time, or fails it if MaxLeaseExpirations is reached.
func (j *Job) ExpireLease(now time.Time) error {
	if j.State != StateRunning || now.Before(j.Lease) {
		return NewError(CodeConflict, "job %s is %s and its lease has not expired", j.ID, j.State)
	}
	return j.loseWorker(now)
}

// LoseWorker queues a running job whose converter is certainly gone, or fails it, as
// ExpireLease does.
func (j *Job) LoseWorker(attempt int, now time.Time) error {
	if err := j.held(attempt); err != nil {
		return err
	}
	return j.loseWorker(now)
}

func (j *Job) loseWorker(now time.Time) error {
	j.endAttempt(AttemptLost, nil, now)
	if j.LeaseExpirations++; j.LeaseExpirations >= MaxLeaseExpirations {
		return j.giveUp(NewError(CodeWorkerLost, "the converter was lost %d times while converting this video", j.LeaseExpirations), now)
	}
	if err := j.move(StateQueued, now); err != nil {
		return err
	}
	if again := j.LeaseExpirations - 1; again > 0 { // let other jobs go first; the cause may pass
		j.NotBefore = now.Add(scatter(backoff(min(again, 4))))
	}
	return nil
}

func (j *Job) giveUp(cause *Error, now time.Time) error {
	if err := j.move(StateFailed, now); err != nil {
		return err
	}
	j.Error, j.Notification, j.Check = cause, NotificationPending, now.Add(notifyCheck)
	return nil
}

// Cancel cancels an unfinished job.
func (j *Job) Cancel(now time.Time) error {
	if j.State.Final() {
		return NewError(CodeConflict, "job %s is %s and cannot be cancelled", j.ID, j.State)
	}
	j.endAttempt(AttemptCancelled, nil, now)
	return j.move(StateCancelled, now)
}

// Expire ends an abandoned upload.
func (j *Job) Expire(now time.Time) error { return j.move(StateExpired, now) }

// Retry queues a failed or cancelled job again and resets its failure counts. It
// returns an Error of code conflict if the job is in another state or its video
// was never completely stored.
func (j *Job) Retry(now time.Time) error {
	switch {
	case j.State != StateFailed && j.State != StateCancelled:
		return NewError(CodeConflict, "job %s is %s; only failed or cancelled jobs can be retried", j.ID, j.State)
	case j.Sent.SHA256 == "":
		return NewError(CodeConflict, "the upload of job %s was never finished", j.ID).
			WithHint("upload the file again")
	}
	if err := j.move(StateQueued, now); err != nil {
		return err
	}
	j.Failures, j.LeaseExpirations, j.Progress, j.Error, j.Notification = 0, 0, 0, nil, NotificationNone
	j.Queued = now
	return nil
}

// ReplaceTrack puts an edited track in place of the one with the ID old. It returns an
// Error of code conflict if the job does not have that any more.
func (j *Job) ReplaceTrack(old string, track Track, now time.Time) error {
	i := slices.IndexFunc(j.Tracks, func(t Track) bool { return t.ID == old })
	if i < 0 || j.State != StateDone {
		return NewError(CodeConflict, "the MP3 of job %s was changed by another request at the same time", j.ID).
			WithHint("try again")
	}
	track.cleanTexts(len(j.Tracks))
	j.Tracks = slices.Clone(j.Tracks)
	j.Tracks[i], j.Updated = track, now
	return nil
}

// MarkNotified records that the owner was notified of the job's outcome.
func (j *Job) MarkNotified(now time.Time) error {
	if j.Notification != NotificationPending {
		return NewError(CodeConflict, "job %s has no pending notification", j.ID)
	}
	j.Notification, j.Updated, j.Check = NotificationSent, now, now // for its retention
	return nil
}

// backoff returns 2 s, 8 s, 32 s …
func backoff(failures int) time.Duration { return 2 * time.Second << (2 * (failures - 1)) }

// scatter returns between a half and three halves of d. Jobs whose converter was lost with
// all of them get pauses so different that they rarely meet again, because it may be one of
// them that ends its converter each time.
func scatter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// jitter adds up to a quarter of d, so that jobs that failed together are not tried again
// together.
func jitter(d time.Duration) time.Duration { return d + time.Duration(rand.Int64N(int64(d/4)+1)) }
