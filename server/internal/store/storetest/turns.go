package storetest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

var turnTests = []test{
	{"nobody waits", turnsNone},
	{"owners take turns, and the oldest job of each goes first", turnsInTurn},
	{"an owner with fewer running jobs goes first", turnsRunning},
	{"jobs of low priority go last, or first", turnsPriority},
	{"jobs that pause do not wait", turnsPause},
	{"Waiting returns waiting jobs", turnsWaiting},
	{"each job is claimed once by concurrent claims", turnsConcurrent},
}

// waits stores a waiting job.
func (f *fixture) waits(id, owner string, seconds int, p sx.Priority) {
	f.t.Helper()
	j := job(id, seconds)
	j.Owner, j.State, j.Priority = owner, sx.StateQueued, p
	f.ok(f.Jobs.Create(f.ctx, j))
}

func (f *fixture) next(t store.Turn, want string) {
	f.t.Helper()
	got, err := f.Jobs.NextWaiting(f.ctx, t)
	f.ok(err)
	if got != want {
		f.t.Errorf("the next job for %+v is %q, want %q", t, got, want)
	}
}

// claims claims jobs until none is left, and checks their order. With end, each is done
// before the next one is claimed.
func (f *fixture) claims(end bool, want ...string) {
	f.t.Helper()
	var got []string
	for {
		id, err := f.Jobs.NextWaiting(f.ctx, store.Turn{})
		f.ok(err)
		if id == "" {
			break
		}
		got = append(got, id)
		f.change(id, func(j *sx.Job) { j.State = sx.StateRunning })
		if end {
			f.change(id, func(j *sx.Job) { j.State = sx.StateDone })
		}
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("claimed %v, want %v", got, want)
	}
}

func turnsNone(f *fixture) {
	f.next(store.Turn{}, "")
	f.next(store.Turn{LowFirst: true, Idle: true}, "")
	for _, s := range sx.States() {
		if s != sx.StateQueued {
			j := job("j-"+string(s), 0)
			j.State = s
			f.ok(f.Jobs.Create(f.ctx, j))
		}
	}
	f.next(store.Turn{}, "")
}

func turnsInTurn(f *fixture) {
	for i := range 4 {
		f.waits(fmt.Sprintf("a%d", i), "a", i, sx.PriorityNormal)
	}
	f.waits("ab0", "ab", 9, sx.PriorityNormal) // whose name starts with another's
	f.waits("b1", "b", 8, sx.PriorityNormal)
	f.waits("b0", "b", 7, sx.PriorityNormal)
	f.waits("b0x", "b", 7, sx.PriorityNormal)
	f.reopen()
	f.claims(true, "a0", "ab0", "b0", "a1", "b0x", "a2", "b1", "a3")
	f.waits("a4", "a", 10, sx.PriorityNormal)
	f.waits("c0", "c", 11, sx.PriorityNormal) // who was never served
	f.waits("ab1", "ab", 12, sx.PriorityNormal)
	f.claims(true, "c0", "ab1", "a4")
}

func turnsRunning(f *fixture) {
	for i := range 3 {
		f.waits(fmt.Sprintf("a%d", i), "a", i, sx.PriorityNormal)
	}
	f.change("a0", func(j *sx.Job) { j.State = sx.StateRunning })
	f.next(store.Turn{}, "a1")
	f.next(store.Turn{Idle: true}, "")
	f.waits("b0", "b", 9, sx.PriorityNormal)
	f.next(store.Turn{Idle: true}, "b0")
	f.next(store.Turn{}, "b0")
	f.waits("b1", "b", 9, sx.PriorityNormal)
	f.change("b0", func(j *sx.Job) { j.State = sx.StateRunning })
	f.next(store.Turn{}, "a1") // claimed longer ago
	f.change("a1", func(j *sx.Job) { j.State = sx.StateRunning })
	f.next(store.Turn{}, "b1")
	f.change("b0", func(j *sx.Job) { j.State = sx.StateQueued }) // handed back
	f.next(store.Turn{Idle: true}, "b0")
	f.remove("b0")
	f.next(store.Turn{Idle: true}, "b1")
}

func turnsPriority(f *fixture) {
	f.waits("a-low", "a", 0, sx.PriorityLow)
	f.waits("b-low", "b", 1, sx.PriorityLow)
	f.waits("b-normal", "b", 5, sx.PriorityNormal)
	f.waits("c-normal", "c", 6, sx.PriorityNormal)
	f.next(store.Turn{}, "b-normal")
	f.next(store.Turn{LowFirst: true}, "a-low")
	f.change("a-low", func(j *sx.Job) { j.State = sx.StateRunning })
	f.next(store.Turn{LowFirst: true, Idle: true}, "b-low")
	f.change("a-low", func(j *sx.Job) { j.State = sx.StateQueued })
	f.claims(true, "b-normal", "c-normal", "a-low", "b-low")
	f.waits("d-low", "d", 1, sx.PriorityLow)
	f.change("d-low", func(j *sx.Job) { j.Priority = sx.PriorityNormal })
	f.waits("e-low", "e", 0, sx.PriorityLow)
	f.claims(true, "d-low", "e-low")
}

func turnsPause(f *fixture) {
	f.waits("a0", "a", 0, sx.PriorityNormal)
	f.waits("a1", "a", 1, sx.PriorityNormal)
	f.change("a0", func(j *sx.Job) { j.NotBefore = epoch })
	f.next(store.Turn{}, "a1")
	f.change("a1", func(j *sx.Job) { j.NotBefore = epoch })
	f.next(store.Turn{}, "")
	f.change("a0", func(j *sx.Job) { j.NotBefore = j.Lease })
	f.next(store.Turn{}, "a0")
}

func turnsWaiting(f *fixture) {
	f.ok(f.Jobs.Create(f.ctx, job("uploading", 0)))
	f.waits("a0", "a", 0, sx.PriorityLow)
	f.waits("a1", "a", 1, sx.PriorityNormal)
	f.waits("b0", "b", 2, sx.PriorityNormal)
	for limit, want := range []int{0, 1, 2, 3, 3} {
		if limit == 0 {
			continue
		}
		list, err := f.Jobs.Waiting(f.ctx, limit)
		f.ok(err)
		if len(list) != want {
			f.t.Errorf("Waiting returned %v, want %d jobs", ids(list), want)
		}
	}
}

func turnsConcurrent(f *fixture) {
	const owners, each, claimers = 5, 6, 4
	for o := range owners {
		for i := range each {
			f.waits(fmt.Sprintf("j%d-%d", o, i), fmt.Sprintf("u%d", o), i, sx.PriorityNormal)
		}
	}
	var mu sync.Mutex
	claimed := map[string]int{}
	var wg sync.WaitGroup
	for range claimers {
		wg.Go(func() {
			for {
				id, err := f.Jobs.NextWaiting(f.ctx, store.Turn{})
				if err != nil || id == "" {
					if err != nil {
						f.t.Errorf("NextWaiting returned %v", err)
					}
					return
				}
				_, err = store.Update(f.ctx, id, f.Jobs.Get, f.Jobs.Replace, func(j *sx.Job) error {
					if !j.Waiting() {
						return store.ErrUnchanged
					}
					j.State = sx.StateRunning
					return nil
				})
				if err == nil {
					mu.Lock()
					claimed[id]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for id, n := range claimed {
		if n != 1 {
			f.t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if len(claimed) != owners*each {
		f.t.Errorf("%d jobs were claimed, want %d", len(claimed), owners*each)
	}
}
