package converter

import (
	"context"
	"sync"
	"time"
)

// openConversions counts the conversions that are open in this converter. A long
// video occupies its slot for hours, so the last slots are reserved for owners who
// have no running job.
type openConversions struct {
	slots int           // at least 2
	ended chan struct{} // receives a value, unless it holds one, when a conversion ends

	mu    sync.Mutex
	total int
}

func newOpenConversions(slots int) *openConversions {
	return &openConversions{slots: slots, ended: make(chan struct{}, 1)}
}

// reserved is how many slots are reserved for owners without a running job.
func (o *openConversions) reserved() int { return min(2, o.slots-1) }

// capacity says whose conversions may be opened.
type capacity int

const (
	capacityNone capacity = iota
	capacityIdle          // of owners who have no running job
	capacityAll
)

func (o *openConversions) capacity() capacity {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.total >= o.slots:
		return capacityNone
	case o.total >= o.slots-o.reserved():
		return capacityIdle
	default:
		return capacityAll
	}
}

func (o *openConversions) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.total
}

func (o *openConversions) add() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total++
}

func (o *openConversions) remove() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total--
	select {
	case o.ended <- struct{}{}:
	default:
	}
}

// waitForEnd waits until a conversion has ended, but not longer than timeout (0
// means no limit), or until ctx ends.
func (o *openConversions) waitForEnd(ctx context.Context, timeout time.Duration) {
	var elapsed <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		elapsed = timer.C
	}
	select {
	case <-o.ended:
	case <-elapsed:
	case <-ctx.Done():
	}
}
