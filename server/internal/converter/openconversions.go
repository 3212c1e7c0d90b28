package converter

import (
	"context"
	"slices"
	"sync"
	"time"
)

// openConversions counts the conversions that are open in this converter. A long
// video occupies its slot for hours, so the last slots are reserved for owners who
// have no conversion open here.
type openConversions struct {
	slots int           // at least 2
	ended chan struct{} // receives a value, unless it holds one, when a conversion ends

	mu      sync.Mutex
	byOwner map[string]int // by user ID, without zeros
	total   int
}

func newOpenConversions(slots int) *openConversions {
	return &openConversions{slots: slots, ended: make(chan struct{}, 1), byOwner: map[string]int{}}
}

// reserved is how many slots are reserved for owners without an open conversion.
func (o *openConversions) reserved() int { return min(2, o.slots-1) }

// capacity says whose conversions may be opened.
type capacity int

const (
	capacityNone      capacity = iota
	capacityNewOwners          // of owners who have none open
	capacityAll
)

func (o *openConversions) capacity() capacity {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.total >= o.slots:
		return capacityNone
	case o.total >= o.slots-o.reserved():
		return capacityNewOwners
	default:
		return capacityAll
	}
}

func (o *openConversions) add(owner string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byOwner[owner]++
	o.total++
}

func (o *openConversions) remove(owner string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byOwner[owner]--; o.byOwner[owner] == 0 {
		delete(o.byOwner, owner)
	}
	o.total--
	select {
	case o.ended <- struct{}{}:
	default:
	}
}

// excluded returns the owners to exclude from a search for the next job, one list for
// each search: at first all owners with an open conversion, then those with two or
// more, and so on, and finally nobody.
func (o *openConversions) excluded() (lists [][]string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for n := 0; ; n++ {
		var owners []string
		for owner, open := range o.byOwner {
			if open > n {
				owners = append(owners, owner)
			}
		}
		slices.Sort(owners)
		lists = append(lists, owners)
		if len(owners) == 0 {
			return lists
		}
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
