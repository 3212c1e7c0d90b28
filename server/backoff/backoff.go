// Package backoff paces retries: a sleep that a context can end, and pauses
// that double with jitter.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Sleep waits for d. It returns ctx's error as soon as ctx ends, even if d is
// not positive.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ctx.Err()
	}
}

// Backoff computes the pauses between retries: they double from First to Max.
// It is not safe for concurrent use.
type Backoff struct {
	First, Max time.Duration

	last time.Duration
}

// Next returns the pause before the next retry. Half of it is random, so that
// clients that lost the same server do not all reconnect at the same moment.
func (b *Backoff) Next() time.Duration {
	b.last = min(max(2*b.last, b.First), b.Max)
	return b.last/2 + rand.N(b.last/2+1)
}

// Reset makes the next pause the first one again.
func (b *Backoff) Reset() { b.last = 0 }
