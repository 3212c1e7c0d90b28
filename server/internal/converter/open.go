package converter

import (
	"context"
	"slices"
	"sync"
	"time"
)

// openJobs counts the conversions that are open in this converter. A long video of
// one owner keeps its place for hours, so the places are shared out in advance: the
// last ones are kept for owners who have no conversion open here.
type openJobs struct {
	limit int           // at least 2
	ended chan struct{} // receives a value, unless it has one, when a conversion ends

	mu     sync.Mutex
	owners map[string]int // by user ID, without zeros
	total  int
}

func newOpenJobs(limit int) *openJobs {
	return &openJobs{limit: limit, ended: make(chan struct{}, 1), owners: map[string]int{}}
}

// reserved is how many places are kept for owners without an open conversion.
func (o *openJobs) reserved() int { return min(2, o.limit-1) }

// room says who may open another conversion.
type room int

const (
	roomForNobody    room = iota
	roomForNewOwners      // for those who have none open
	roomForAll
)

func (o *openJobs) room() room {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.total >= o.limit:
		return roomForNobody
	case o.total >= o.limit-o.reserved():
		return roomForNewOwners
	default:
		return roomForAll
	}
}

func (o *openJobs) add(owner string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owners[owner]++
	o.total++
}

func (o *openJobs) remove(owner string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.owners[owner]--; o.owners[owner] == 0 {
		delete(o.owners, owner)
	}
	o.total--
	select {
	case o.ended <- struct{}{}:
	default:
	}
}

// precedence returns which owners have to wait for the others, in the order in
// which to look for jobs: at first all who have one open, then those who have
// two or more, and so on; in the end nobody.
func (o *openJobs) precedence() (waiting [][]string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for n := 0; ; n++ {
		var more []string
		for owner, open := range o.owners {
			if open > n {
				more = append(more, owner)
			}
		}
		slices.Sort(more)
		waiting = append(waiting, more)
		if len(more) == 0 {
			return waiting
		}
	}
}

// waitForEnd waits until a conversion has ended, but not longer than timeout (0
// means no limit), or until ctx ends.
func (o *openJobs) waitForEnd(ctx context.Context, timeout time.Duration) {
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
