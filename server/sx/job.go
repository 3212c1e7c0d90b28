package sx

import "time"

// State is the state of a job. docs/architecture.md has a diagram of the states;
// only the method move changes one.
type State string

// The states.
const (
	StateUploading State = "uploading" // not all bytes are stored
	StateQueued    State = "queued"    // waiting for a converter
	StateRunning   State = "running"   // leased by a converter
	StateDone      State = "done"      // the track is stored
	StateFailed    State = "failed"    // Error says why
	StateCancelled State = "cancelled" // cancelled by its owner
	StateExpired   State = "expired"   // the upload was abandoned
)

// States lists all states in the order of a job's life.
func States() []State {
	return []State{
		StateUploading, StateQueued, StateRunning,
		StateDone, StateFailed, StateCancelled, StateExpired,
	}
}

// Final reports whether a job stays in this state unless its owner retries it.
func (s State) Final() bool {
	switch s {
	case StateDone, StateFailed, StateCancelled, StateExpired:
		return true
	default:
		return false
	}
}

// Job is the conversion of one video. Its ID is also the ID of the upload. The
// stored record is authoritative; messages only refer to it.
type Job struct {
	ID      string
	Owner   string // the user's id
	State   State
	Options Options
	Sent    File // what was uploaded; its digest is set once all bytes are stored
	// Sources are the user's files from which Sent was made: currently one, which
	// is sent unchanged.
	Sources  []File
	Tracks   []Track // the results, set when done: currently one
	Labels   []string
	Warnings []Warning // what the owner should know about the result
	Error    *Error    // why the job or its last attempt failed

	Progress  float64       // percent of the conversion, 0 to 100
	Remaining time.Duration // estimated remaining time of the conversion; 0 if unknown

	// Attempt counts the claims by converters. It is the fencing token: writes of
	// earlier attempts are rejected.
	Attempt  int
	Failures int // attempts that ended with an error that is not permanent
	// LeaseExpirations counts the attempts whose lease expired.
	LeaseExpirations int
	Worker           string
	Lease            time.Time // when the lease expires
	NotBefore        time.Time // a queued job is not claimed before this time

	Notification NotificationState

	Created time.Time
	Updated time.Time
	Rev     int64 // see store.Jobs
}

// Track returns the track with the given number, or nil.
func (j Job) Track(number int) *Track {
	for i := range j.Tracks {
		if j.Tracks[i].Number == number {
			return &j.Tracks[i]
		}
	}
	return nil
}

// NotificationState says whether the owner was notified of the job's outcome.
type NotificationState string

// The notification states.
const (
	NotificationNone    NotificationState = ""        // no notification needed
	NotificationPending NotificationState = "pending" // done or failed; notification to be sent
	NotificationSent    NotificationState = "sent"
)

// Settled reports whether no service has work left to do for the job.
func (j *Job) Settled() bool { return j.State.Final() && j.Notification != NotificationPending }

// NewJob returns a job for a new upload.
func NewJob(owner string, sent File, options Options, now time.Time) Job {
	return Job{
		ID: NewID(), Owner: owner, State: StateUploading, Options: options,
		Sent: sent, Sources: []File{sent},
		Created: now, Updated: now,
	}
}
