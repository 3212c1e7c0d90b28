package store

import (
	"context"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Jobs stores job documents.
type Jobs interface {
	// Create stores a new job with Rev 1. If the ID exists, it returns an
	// *sx.Error of code conflict.
	Create(ctx context.Context, j sx.Job) error
	Get(ctx context.Context, id string) (sx.Job, error)
	// Replace is the compare-and-set of the package comment.
	Replace(ctx context.Context, j sx.Job) error
	// Delete removes the document if its Rev is still that of the given job;
	// otherwise it returns ErrStale. It succeeds if there is no such document.
	Delete(ctx context.Context, j sx.Job) error
	// List returns a page of the jobs that match, newest first (by Created, then ID,
	// both descending). If there may be more, next is the position to continue after;
	// with a filter that no index covers, a page examines at most MaxExamined jobs, and
	// may be empty although there are more. A page ends early at MaxPageBytes.
	List(ctx context.Context, f JobFilter) (jobs []sx.Job, next *Cursor, err error)
	// Due returns at most limit jobs whose action is the given one and due at now,
	// ordered by the time at which it was due, then ID. It ends early at MaxPageBytes, and
	// reads no other jobs.
	Due(ctx context.Context, action sx.Action, now time.Time, limit int) ([]sx.Job, error)
	// Waiting returns at most limit of the jobs that wait for a converter, in any
	// order.
	Waiting(ctx context.Context, limit int) ([]sx.Job, error)
	// NextWaiting returns the ID of the job that a converter is to claim next; "" if
	// there is none. How long it takes depends neither on how many jobs wait nor on how
	// many owners have waiting jobs.
	//
	// Jobs of normal priority go before those of low priority. Among owners of such jobs,
	// the one with the fewest running jobs goes first; of several, the one whose last
	// claim is longest ago (a claim is a change from waiting to running). Of the owner's
	// jobs, the oldest goes first (by Created, then ID).
	NextWaiting(ctx context.Context, t Turn) (id string, err error)
	// Backlog counts the unfinished jobs by state. How long it takes does not depend on
	// how many jobs are finished.
	Backlog(ctx context.Context) (Backlog, error)
	// Oldest returns at most limit of the jobs in the state, which is not final, by Since,
	// then ID: those that have been in it longest.
	Oldest(ctx context.Context, state sx.State, limit int) ([]sx.Job, error)
	// Owners returns at most limit of the owners' totals, by Bytes, the largest first, then
	// the owner's ID. after is the last one of the previous page, nil at the beginning;
	// more reports whether the limit cut the list.
	Owners(ctx context.Context, after *OwnerUsage, now time.Time, limit int) (list []OwnerUsage, more bool, err error)
	// Usage returns what the owner uses, in which Today is that of now's day. It is a
	// running total that the other methods keep, so how long it takes does not depend
	// on how many jobs the owner has. Bytes and Uploads are at no time less than what
	// the stored jobs account for: what a job adds is added before the job is stored.
	// A job that is deleted with Rev 1, which was refused, does not count in Today.
	Usage(ctx context.Context, owner string, now time.Time) (sx.Usage, error)
	// DeleteUsage removes the totals of an owner who has no jobs. It succeeds if there are
	// none.
	DeleteUsage(ctx context.Context, owner string) error
	// Recount compares the totals of some owners with their jobs, and corrects them; it
	// also corrects what NextWaiting reads. cursor is "" or what an earlier call
	// returned as next; next is "" once all owners were compared. An owner whose jobs
	// change at the same time is left for a later pass, and a total that is too large is
	// corrected when a later pass finds the same. One call is bounded by the deadline of ctx:
	// an owner who needs longer is skipped. A store whose totals cannot be wrong has nothing
	// to do.
	Recount(ctx context.Context, cursor string) (next string, err error)
}

// OwnerUsage is what an owner uses.
type OwnerUsage struct {
	Owner string
	sx.Usage
}

// Turn says whose turn it is in Jobs.NextWaiting.
type Turn struct {
	// LowFirst lets jobs of low priority precede those of normal priority.
	LowFirst bool
	// Idle excludes owners who have a running job.
	Idle bool
}
