package store

import (
	"context"
	"time"
)

// Counters count what is limited in a period, such as the messages of a day. The ID of a
// counter includes its period.
type Counters interface {
	// Add adds 1 to a counter, which starts at 0, and reports whether it did: it does
	// not once the counter has reached most, which must be at least 1. Of concurrent
	// calls, in all processes, exactly as many add 1 as most permits. expires is when
	// the counter is no longer used; all calls for a counter pass the same time.
	Add(ctx context.Context, id string, most int, expires time.Time) (added bool, err error)
	// Delete removes the counter. It succeeds if there is none.
	Delete(ctx context.Context, id string) error
	// DeleteExpired removes the counters that expired before now.
	DeleteExpired(ctx context.Context, now time.Time) error
}
