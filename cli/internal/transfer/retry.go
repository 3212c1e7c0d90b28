package transfer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/soundextract/sx/server/api/client"
)

// The pauses between tries double from the first to the longest.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 15 * time.Second
)

// firstContact bounds the patience with a server that has not answered once in
// this run: it is more likely not there than away for a while.
const firstContact = 5 * time.Second

// Policy is how one run of sx deals with a server that is away.
type Policy struct {
	// Patience is how long to go on without any progress.
	Patience time.Duration

	reached atomic.Bool // the server answered in this run
}

// Retry paces the tries of one transfer. It is not for several goroutines at once.
type Retry struct {
	policy   *Policy
	meter    Waiter
	since    time.Time // of the last progress
	failures int       // in a row, without progress
}

// Start begins a transfer, whose pauses are shown on the meter.
func (p *Policy) Start(meter Waiter) *Retry {
	return &Retry{policy: p, meter: meter, since: time.Now()}
}

// Answered says that the server is there.
func (r *Retry) Answered() { r.policy.reached.Store(true) }

// Progress says that the server answered and something moved: patience and
// pauses begin anew.
func (r *Retry) Progress() {
	r.Answered()
	r.since, r.failures = time.Now(), 0
}

// Pause waits before another try if err may pass, and returns err at once if
// it cannot. When the patience is over it returns an *sx.Error of code
// exitcode.CodeTimedOut, or err itself if the server was never reached in this run.
func (r *Retry) Pause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !Transient(err) {
		return err
	}
	return r.Wait(ctx, err)
}

// Wait is Pause for an error that the caller knows how to get over.
func (r *Retry) Wait(ctx context.Context, err error) error {
	var away *client.Unreachable
	isAway := errors.As(err, &away) || errors.Is(err, ErrStalled)
	if !isAway {
		r.Answered()
	}
	patience := r.policy.Patience
	if !r.policy.reached.Load() {
		patience = min(patience, firstContact)
	}
	left := time.Until(r.since.Add(patience))
	if left <= 0 {
		if !r.policy.reached.Load() {
			return err
		}
		return errTimedOut(patience, err)
	}
	pause := min(firstPause<<min(r.failures, 10), longestPause)
	pause = min(pause/2+rand.N(pause/2), left) // jitter: many clients lost the same server
	r.failures++
	r.meter.Wait(reason(err), time.Now().Add(pause))
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Do calls fn until it succeeds, fails with an error that cannot pass, or the
// patience, which begins anew, is over.
func (r *Retry) Do(ctx context.Context, fn func(context.Context) error) error {
	r.since, r.failures = time.Now(), 0
	for {
		err := fn(ctx)
		if err == nil {
			r.Progress()
			return nil
		}
		if err := r.Pause(ctx, err); err != nil {
			return err
		}
	}
}
