package api

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// The paths of the work of all accounts, for administrators.
const (
	PathAdminJobs  = "/v1/admin/jobs"      // GET: AdminJobList
	PathAdminJob   = "/v1/admin/jobs/{id}" // GET: AdminJob, with its history
	PathAdminUsage = "/v1/admin/usage"     // GET: AccountUsageList
	PathAdminQueue = "/v1/admin/queue"     // GET: WorkQueue
)

// Query parameters of PathAdminJobs, besides QueryState, QueryName, QueryLimit, QueryAfter
// and QuerySince.
const (
	QueryOwner  = "owner"  // the name of an account
	QueryCode   = "code"   // of the job's error
	QueryBefore = "before" // jobs that were created before this time (RFC 3339)
)

// MaxAdminLimit is the largest QueryLimit of the paths of this file.
const MaxAdminLimit = 100

// Owner is the account that something belongs to. The name is absent once the account is
// deleted.
type Owner struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// AdminJob is a job as administrators see it.
type AdminJob struct {
	Owner Owner `json:"owner"`
	Job   Job   `json:"job"`
}

// AdminJobList is one page of jobs of all accounts, newest first. Next is that of JobList.
type AdminJobList struct {
	Jobs []AdminJob `json:"jobs"`
	Next string     `json:"next,omitempty"`
}

// AccountUsage is what an account uses.
type AccountUsage struct {
	Owner   Owner `json:"owner"`
	Bytes   int64 `json:"bytes"`   // of videos and MP3s, stored or reserved
	Jobs    int   `json:"jobs"`    // stored
	Uploads int   `json:"uploads"` // unfinished
	Today   int   `json:"today"`   // jobs created on this UTC day
}

// AccountUsageList is one page of accounts that have jobs, those with the most bytes first.
type AccountUsageList struct {
	Accounts []AccountUsage `json:"accounts"`
	// Next is the value of QueryAfter for the next page; "" on the last page.
	Next string `json:"next,omitempty"`
}

// WorkQueue is what the services have to do.
type WorkQueue struct {
	Time   time.Time      `json:"time"`   // of the server
	States []StateBacklog `json:"states"` // of unfinished jobs
	// Running and Waiting are the jobs that have been running and waiting longest, at most
	// MaxQueueJobs of each.
	Running  []AdminJob      `json:"running"`
	Waiting  []AdminJob      `json:"waiting"`
	Messages []QueueMessages `json:"messages"`
}

// MaxQueueJobs is how many jobs each list of a WorkQueue has at most.
const MaxQueueJobs = 20

// StateBacklog describes the jobs in a state.
type StateBacklog struct {
	State sx.State `json:"state"`
	Jobs  int      `json:"jobs"` // counted up to 100000
	// Oldest is when the job that has been in the state longest entered it; nil if there is
	// none.
	Oldest *time.Time `json:"oldest,omitempty"`
}

// QueueMessages counts the wake-up messages of a queue.
type QueueMessages struct {
	Queue       string `json:"queue"`
	Ready       int    `json:"ready"`        // waiting for a receiver
	DeadLetters int    `json:"dead_letters"` // delivered repeatedly without success
}

// History is what happened to a job.
type History struct {
	// Queued is when the upload was complete or, if that was later, the job was retried by
	// its owner.
	Queued *time.Time `json:"queued,omitempty"`
	// Ended is when the job reached its final state.
	Ended    *time.Time `json:"ended,omitempty"`
	Attempts []Attempt  `json:"attempts"` // the last ones, at most sx.MaxAttempts
}

// Attempt is an attempt of a converter at a job.
type Attempt struct {
	Number  int        `json:"number"`
	Host    string     `json:"host,omitempty"` // of the converter: in a cluster the name of its pod
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"` // nil while it runs
	// Result is absent while the attempt runs.
	Result sx.AttemptResult `json:"result,omitempty"`
	Error  *Error           `json:"error,omitempty"`
	// Messages are ffmpeg's last messages, if the attempt failed.
	Messages []string `json:"messages,omitempty"`
}

// WithHistory returns the job with what happened to it.
func (j Job) WithHistory(of sx.Job) Job {
	j.History = &History{Queued: optional(of.Queued), Ended: optional(of.Ended), Attempts: []Attempt{}}
	for _, a := range of.Attempts {
		j.History.Attempts = append(j.History.Attempts, Attempt{
			Number: a.Number, Host: a.Host, Started: a.Started.UTC(), Ended: optional(a.Ended),
			Result: a.Result, Error: optionalError(a.Error), Messages: a.Messages,
		})
	}
	return j
}

// optionalError returns nil for nil.
func optionalError(e *sx.Error) *Error {
	if e == nil {
		return nil
	}
	out := FromError(e)
	return &out
}
