package sx

import (
	"slices"
	"time"
)

// MaxAttempts is how many attempts a job keeps: the last ones.
const MaxAttempts = 10

// The limits of an attempt's messages.
const (
	maxMessages    = 10
	maxMessageSize = 200
)

// Attempt is an attempt of a converter at a job.
type Attempt struct {
	Number  int
	Host    string // of the converter: in a cluster the name of its pod
	Started time.Time
	Ended   time.Time // zero while it runs
	Result  AttemptResult
	Error   *Error // why it failed or was postponed
	// Messages are ffmpeg's last messages, if the attempt failed.
	Messages []string
}

// AttemptResult says how an attempt ended.
type AttemptResult string

// The results of attempts.
const (
	AttemptRunning   AttemptResult = ""
	AttemptDone      AttemptResult = "done"
	AttemptFailed    AttemptResult = "failed"    // Error says why
	AttemptPostponed AttemptResult = "postponed" // the store was unavailable or full
	AttemptReleased  AttemptResult = "released"  // the converter was stopped, or lost its lease
	AttemptLost      AttemptResult = "lost"      // the converter stopped renewing its lease
	AttemptCancelled AttemptResult = "cancelled" // by the owner
)

// workerSuffix is the length of what NewWorker appends to the host.
const workerSuffix = 1 + 16

// NewWorker returns the ID of a converter that starts on the host.
func NewWorker(host string) string {
	if host == "" {
		return NewID()
	}
	return host + "-" + NewID()
}

// hostOf returns the host of a worker's ID.
func hostOf(worker string) string {
	if i := len(worker) - workerSuffix; i > 0 && worker[i] == '-' {
		return worker[:i]
	}
	return ""
}

// startAttempt adds the attempt that the worker begins.
func (j *Job) startAttempt(worker string, now time.Time) {
	kept := j.Attempts[max(0, len(j.Attempts)-MaxAttempts+1):]
	j.Attempts = append(slices.Clone(kept), Attempt{Number: j.Attempt, Host: hostOf(worker), Started: now})
}

// endAttempt ends the running attempt.
func (j *Job) endAttempt(result AttemptResult, cause *Error, now time.Time) {
	j.changeAttempt(func(a *Attempt) { a.Result, a.Error, a.Ended = result, cause, now })
}

// Report records the last messages of ffmpeg in the attempt, made safe to store and
// display.
func (j *Job) Report(attempt int, messages []string) error {
	if err := j.held(attempt); err != nil {
		return err
	}
	var clean []string
	for _, m := range messages[max(0, len(messages)-maxMessages):] {
		clean = append(clean, CleanLine(m, maxMessageSize))
	}
	j.changeAttempt(func(a *Attempt) { a.Messages = clean })
	return nil
}

// changeAttempt changes the running attempt. Other copies of the job keep theirs.
func (j *Job) changeAttempt(change func(*Attempt)) {
	last := len(j.Attempts) - 1
	if last < 0 || j.Attempts[last].Result != AttemptRunning {
		return
	}
	j.Attempts = slices.Clone(j.Attempts)
	change(&j.Attempts[last])
}

// Since returns when the job entered its state. A job that waits again after an attempt
// has waited since its upload was complete or its owner retried it.
func (j Job) Since() time.Time {
	switch {
	case j.State == StateUploading:
		return j.Created
	case j.State == StateQueued:
		return j.Queued
	case j.State == StateRunning && len(j.Attempts) > 0:
		return j.Attempts[len(j.Attempts)-1].Started
	default:
		return j.Ended
	}
}
