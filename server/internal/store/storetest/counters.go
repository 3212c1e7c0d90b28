package storetest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

var counterTests = []test{
	{"a counter counts to its limit and survives a restart", counterLimit},
	{"of concurrent calls exactly as many count as are permitted", counterRace},
	{"a counter is removed with its expiry and begins at 0 again", counterDelete},
	{"expired counters are removed and no others", counterExpired},
}

// add checks whether a call counts.
func (f *fixture) add(id string, most int, expires time.Time, want bool) {
	f.t.Helper()
	added, err := f.Counters.Add(f.ctx, id, most, expires)
	f.ok(err)
	if added != want {
		f.t.Errorf("counter %s with at most %d: added is %v, want %v", id, most, added, want)
	}
}

func counterLimit(f *fixture) {
	for range 3 {
		f.add("a", 3, epoch, true)
	}
	f.add("a", 3, epoch, false)
	f.add("a", 2, epoch, false)
	f.add("b", 1, epoch, true) // one of its own
	f.reopen()
	f.add("a", 3, epoch, false)
	f.add("a", 4, epoch, true)
}

func counterRace(f *fixture) {
	const calls, most, rounds = 60, 20, 5
	for round := range rounds {
		var group sync.WaitGroup
		var added atomic.Int64
		start := make(chan struct{})
		errs := make(chan error, calls)
		for range calls {
			group.Go(func() {
				<-start
				ok, err := f.Counters.Add(f.ctx, strconv.Itoa(round), most, epoch)
				if ok {
					added.Add(1)
				}
				errs <- err
			})
		}
		close(start)
		group.Wait()
		close(errs)
		for err := range errs {
			f.ok(err)
		}
		if n := added.Load(); n != most {
			f.t.Fatalf("in round %d, %d of %d calls counted, want %d", round, n, calls, most)
		}
	}
}

func counterDelete(f *fixture) {
	f.ok(f.Counters.Delete(f.ctx, "none"))
	for _, id := range []string{"a", "b"} {
		f.add(id, 1, epoch, true)
	}
	f.ok(f.Counters.Delete(f.ctx, "a"))
	f.add("b", 1, epoch, false)
	f.add("a", 1, epoch.Add(time.Hour), true)
	f.ok(f.Counters.DeleteExpired(f.ctx, epoch.Add(time.Minute)))
	f.add("a", 1, epoch.Add(time.Hour), false)
	f.add("b", 1, epoch, true)
}

func counterExpired(f *fixture) {
	for id, expires := range map[string]time.Time{"past": epoch.Add(-time.Second), "now": epoch, "future": epoch.Add(time.Hour)} {
		f.add(id, 1, expires, true)
	}
	f.ok(f.Counters.DeleteExpired(f.ctx, epoch))
	f.add("past", 1, epoch, true)
	f.add("now", 1, epoch, false)
	f.add("future", 1, epoch, false)
}
