package sx

import "time"

// Action is what a service has to do next for a job.
type Action string

// The actions. Each is due at the time that NextAction returns.
const (
	ActionNone   Action = ""
	ActionUpload Action = "upload" // gateway: finish or expire the upload
	ActionResume Action = "resume" // converter: end the pause after a failure
	ActionLease  Action = "lease"  // converter: take the job from a lost converter
	ActionNotify Action = "notify" // notifier: notify the owner
	// ActionAnnounce is for the notifier: tell the owner that the job will be deleted.
	ActionAnnounce Action = "announce"
	// ActionRetention is for the gateway: delete a finished job or its video, or determine
	// when to.
	ActionRetention Action = "retention"
)

const (
	// UploadCheck is how long after its creation an upload is first checked: until then, a
	// request is probably working on it.
	UploadCheck = 15 * time.Second
	// notifyCheck is how long the notifier waits for the wake-up message before it looks for
	// the job itself.
	notifyCheck = 2 * time.Second
)

// NextAction returns what a service has to do next for the job without a request, and when;
// ActionNone if nothing. Stores index it, so that periodic tasks read only what is due.
func (j *Job) NextAction() (Action, time.Time) {
	switch {
	case j.State == StateUploading:
		return ActionUpload, j.Check
	case j.State == StateQueued && !j.NotBefore.IsZero():
		return ActionResume, j.NotBefore
	case j.State == StateRunning:
		return ActionLease, j.Lease
	case j.Notification == NotificationPending:
		return ActionNotify, j.Check
	case j.Notification == NotificationDeletion:
		return ActionAnnounce, j.Check
	case j.State.Final() && !j.Check.IsZero():
		return ActionRetention, j.Check
	default:
		return ActionNone, time.Time{}
	}
}

// Waiting reports whether the job waits for a converter: it is queued and not pausing.
func (j *Job) Waiting() bool { return j.State == StateQueued && j.NotBefore.IsZero() }

// Resume ends the pause after a failure. It returns an Error of code conflict if the job
// is not pausing or the pause is not over.
func (j *Job) Resume(now time.Time) error {
	if j.State != StateQueued || j.NotBefore.IsZero() || now.Before(j.NotBefore) {
		return NewError(CodeConflict, "job %s is %s and its pause is not over", j.ID, j.State)
	}
	j.NotBefore, j.Updated = time.Time{}, now
	return nil
}

// Priority determines which jobs are converted first, of one owner and of all.
type Priority string

// The priorities.
const (
	PriorityNormal Priority = ""
	PriorityLow    Priority = "low" // for batches: after jobs of normal priority
)

// Check returns an Error of code invalid if the priority is unknown.
func (p Priority) Check() error {
	if p != PriorityNormal && p != PriorityLow {
		return NewError(CodeInvalid, "unknown priority %q", string(p)).WithHint("choose from: normal low")
	}
	return nil
}

// ParsePriority reads a priority as people and requests write it.
func ParsePriority(s string) (Priority, error) {
	if s == "normal" {
		return PriorityNormal, nil
	}
	p := Priority(s)
	return p, p.Check()
}

// String returns the priority as people write it.
func (p Priority) String() string {
	if p == PriorityNormal {
		return "normal"
	}
	return string(p)
}

// Usage is what an owner uses of the server.
type Usage struct {
	Bytes   int64 // stored or reserved
	Uploads int   // open: not complete, cancelled or expired
	Jobs    int   // stored
	Today   int   // jobs created on this UTC day, even if they were removed since
}
