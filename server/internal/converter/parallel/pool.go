package parallel

import (
	"context"
	"slices"
	"sync"
)

// Pool shares a converter's encoders, one for each core that it may use, among its
// conversions. An encoder that becomes free goes to the waiting owner with the fewest
// encoders at work, and among equals to the one who has waited longest.
type Pool struct {
	mu      sync.Mutex
	size    int
	used    int
	working map[string]int // encoders at work, by owner
	waiting []*waiter      // in the order of their arrival
}

type waiter struct {
	owner   string
	granted chan struct{}
}

// NewPool returns a pool of that many encoders, at least 1.
func NewPool(size int) *Pool {
	return &Pool{size: max(size, 1), working: map[string]int{}}
}

// Size returns the number of encoders.
func (p *Pool) Size() int { return p.size }

// Acquire waits for an encoder. The caller must release it.
func (p *Pool) Acquire(ctx context.Context, owner string) error {
	if p.TryAcquire(owner) {
		return nil
	}
	w := &waiter{owner: owner, granted: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	p.grant()
	p.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else { // granted meanwhile
		p.free(owner)
	}
	return context.Cause(ctx)
}

// TryAcquire takes an encoder that is free and for which nobody waits. It reports
// whether it did.
func (p *Pool) TryAcquire(owner string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used == p.size || len(p.waiting) > 0 {
		return false
	}
	p.take(owner)
	return true
}

// Free returns how many encoders are free and not waited for.
func (p *Pool) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		return 0
	}
	return p.size - p.used
}

// Release returns an encoder.
func (p *Pool) Release(owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free(owner)
}

// Waiting returns how many wait for an encoder.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

func (p *Pool) take(owner string) {
	p.used++
	p.working[owner]++
}

func (p *Pool) free(owner string) {
	p.used--
	if p.working[owner]--; p.working[owner] == 0 {
		delete(p.working, owner)
	}
	p.grant()
}

// grant gives free encoders to those who wait.
func (p *Pool) grant() {
	for p.used < p.size && len(p.waiting) > 0 {
		next := 0
		for i, w := range p.waiting {
			if p.working[w.owner] < p.working[p.waiting[next].owner] {
				next = i
			}
		}
		w := p.waiting[next]
		p.waiting = slices.Delete(p.waiting, next, next+1)
		p.take(w.owner)
		close(w.granted)
	}
}
