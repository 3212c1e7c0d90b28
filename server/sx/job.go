package sx

import "time"

// State is where a job stands. docs/architecture.md draws the states; move is the
// only function that changes one.
type State string

// The states.
const (
	StateUploading State = "uploading" // bytes are missing
	StateQueued    State = "queued"    // waits for a converter
	StateRunning   State = "running"   // a converter holds its lease
	StateDone      State = "done"      // the track is there
	StateFailed    State = "failed"    // Error says why
	StateCancelled State = "cancelled" // by its owner
	StateExpired   State = "expired"   // the upload was given up
)

// States lists all states in the order of a job's life.
func States() []State {
	return []State{
		StateUploading, StateQueued, StateRunning,
		StateDone, StateFailed, StateCancelled, StateExpired,
	}
}

// Final reports whether a job in this state does not move by itself any more.
func (s State) Final() bool {
	switch s {
	case StateDone, StateFailed, StateCancelled, StateExpired:
		return true
	default:
		return false
	}
}

// Job is the way of one video to one track. Its id is the upload's id too.
// The stored document is the truth; messages only point to it.
type Job struct {
	ID      string
	Owner   string // the user's id
	State   State
	Options Options
	Sent    File // what was uploaded; its digest is set once all bytes are stored
	// Sources are the files on the user's side that what was sent comes from: one,
	// for now, which is sent as a whole.
	Sources  []File
	Tracks   []Track // the results, set when done: one, for now
	Labels   []string
	Warnings []Warning // what the owner should know of the result
	Error    *Error    // why it failed, or why the last attempt did

	Progress  float64       // percent of the conversion, 0 to 100
	Remaining time.Duration // estimated time left of the conversion; 0 is unknown

	// Attempt counts the claims by converters, and fences them: what an
	// earlier attempt still writes is refused.
	Attempt  int
	Failures int // attempts that ended with an error that may heal
	// LeaseExpirations counts the attempts whose lease ran out.
	LeaseExpirations int
	Worker           string
	Lease            time.Time // when the worker counts as lost
	NotBefore        time.Time // a queued job is not claimed earlier

	Notification NotificationState

	Created time.Time
	Updated time.Time
	Rev     int64 // see store.Jobs
}

// Warning says what is not as expected about the result of a job that is done.
// Codes of warnings are part of the API, as those of errors.
type Warning struct {
	Code    string
	Message string
}

// Track is the track of the number, nil if the job has none.
func (j Job) Track(number int) *Track {
	for i := range j.Tracks {
		if j.Tracks[i].Number == number {
			return &j.Tracks[i]
		}
	}
	return nil
}

// NotificationState says whether the owner was notified of the job's end.
type NotificationState string

// The notification states.
const (
	NotificationNone    NotificationState = ""        // nothing to notify of yet
	NotificationPending NotificationState = "pending" // done or failed, to be notified
	NotificationSent    NotificationState = "sent"
)

// Settled reports that no service has anything left to do for the job.
func (j *Job) Settled() bool { return j.State.Final() && j.Notification != NotificationPending }

// NewJob is a job whose upload is about to begin.
func NewJob(owner string, sent File, options Options, now time.Time) Job {
	return Job{
		ID: NewID(), Owner: owner, State: StateUploading, Options: options,
		Sent: sent, Sources: []File{sent},
		Created: now, Updated: now,
	}
}
