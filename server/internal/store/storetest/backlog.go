package storetest

import (
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

var backlogTests = []test{
	{"there is no backlog at first", backlogEmpty},
	{"Backlog counts the unfinished jobs", backlogCounts},
}

// backlog checks what Backlog returns. A state that want does not have has no jobs.
func (f *fixture) backlog(want store.Backlog) {
	f.t.Helper()
	got, err := f.Jobs.Backlog(f.ctx)
	f.ok(err)
	if len(got) != len(store.Unfinished()) {
		f.t.Errorf("got the states %v, want all that are not final", got)
	}
	for state, in := range got {
		if in.Jobs != want[state].Jobs || !in.Oldest.Equal(want[state].Oldest) {
			f.t.Errorf("%s: got %+v, want %+v", state, in, want[state])
		}
	}
}

// oldest checks what Oldest returns.
func (f *fixture) oldest(state sx.State, limit int, want ...string) {
	f.t.Helper()
	list, err := f.Jobs.Oldest(f.ctx, state, limit)
	f.ok(err)
	same(f, ids(list), want)
}

func backlogEmpty(f *fixture) { f.backlog(nil) }

func backlogCounts(f *fixture) {
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	for _, c := range []struct {
		id     string
		state  sx.State
		since  int
		paused bool
	}{
		{"u1", sx.StateUploading, 3, false},
		{"u2", sx.StateUploading, 1, false},
		{"q1", sx.StateQueued, 7, false},
		{"q2", sx.StateQueued, 6, true},
		{"q3", sx.StateQueued, 8, false},
		{"r1", sx.StateRunning, 9, false},
		{"done", sx.StateDone, 0, false},
		{"failed", sx.StateFailed, 0, false},
	} {
		j := job(c.id, 100)
		j.Owner, j.State = "owner of "+c.id, c.state
		switch c.state {
		case sx.StateUploading:
			j.Created = at(c.since)
		case sx.StateQueued:
			j.Queued = at(c.since)
		case sx.StateRunning:
			j.Attempts = []sx.Attempt{{Number: 1, Started: at(c.since)}}
		default:
			j.Ended = at(c.since)
		}
		if c.paused {
			j.NotBefore = at(1000)
		}
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	want := store.Backlog{
		sx.StateUploading: {Jobs: 2, Oldest: at(1)},
		sx.StateQueued:    {Jobs: 3, Oldest: at(6)},
		sx.StateRunning:   {Jobs: 1, Oldest: at(9)},
	}
	f.backlog(want)
	f.reopen()
	f.backlog(want)
	f.oldest(sx.StateQueued, 2, "q2", "q1")
	f.oldest(sx.StateQueued, 9, "q2", "q1", "q3")
	f.oldest(sx.StateRunning, 9, "r1")

	f.change("q2", func(j *sx.Job) { j.State, j.Attempts = sx.StateRunning, []sx.Attempt{{Number: 1, Started: at(20)}} })
	f.change("r1", func(j *sx.Job) { j.State = sx.StateDone })
	u2, err := f.Jobs.Get(f.ctx, "u2")
	f.ok(err)
	f.ok(f.Jobs.Delete(f.ctx, u2))
	f.backlog(store.Backlog{
		sx.StateUploading: {Jobs: 1, Oldest: at(3)},
		sx.StateQueued:    {Jobs: 2, Oldest: at(7)},
		sx.StateRunning:   {Jobs: 1, Oldest: at(20)},
	})
}
