package rabbitbus

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// The pause before the next try doubles from firstPause to longestPause.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 15 * time.Second
)

// backoff measures the pauses between tries; its zero value is ready.
type backoff struct{ last time.Duration }

// next is the pause to make now: half of it is chance, so that the replicas of
// a service do not all come back in the same moment.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, firstPause), longestPause)
	return b.last/2 + rand.N(b.last/2)
}

func (b *backoff) reset() { b.last = 0 }

// pause waits for d, until ctx ends or until early is closed, which it reports.
func pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-early:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// bell is rung by a link that has reached the broker: the other one, perhaps in
// the middle of a long pause, need not wait any longer.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

func newBell() *bell { return &bell{rung: make(chan struct{})} }

// next is closed when the bell rings next.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.rung)
	b.rung = make(chan struct{})
}
