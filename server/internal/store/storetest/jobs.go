package storetest

import (
	"sync"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var jobTests = []test{
	{"a job is stored completely", jobKept},
	{"an empty job is stored completely", jobEmpty},
	{"an id can be used once", jobTwice},
	{"an absent job is not found", jobAbsent},
	{"Replace is a compare-and-set", jobReplace},
	{"Delete is a compare-and-set", jobDelete},
	{"one of several concurrent Replaces succeeds", jobRace},
	{"one of several concurrent Replaces and Deletes succeeds", jobDeleteRace},
	{"concurrent Updates are all stored", jobUpdates},
	{"Due returns what is due", jobsDue},
}

// job returns a job of the owner u1 that was created some seconds after the epoch.
func job(id string, seconds int) sx.Job {
	at := epoch.Add(time.Duration(seconds) * time.Second)
	return sx.Job{
		ID: id, Owner: "u1", State: sx.StateUploading, Sent: sx.Sent{Name: id + ".mp4", Size: 100},
		Created: at, Updated: at,
	}
}

func jobKept(f *fixture) {
	j := testkit.Filled[sx.Job](f.t)
	f.ok(f.Jobs.Create(f.ctx, j))
	j.Rev = 1
	got, err := f.Jobs.Get(f.ctx, j.ID)
	f.ok(err)
	same(f, got, j)

	changed := testkit.Filled[sx.Job](f.t)
	changed.Rev, changed.Tracks, changed.Error, changed.Options.Quality = 1, nil, nil, nil
	changed.Lease, changed.State = time.Time{}, sx.StateQueued
	f.ok(f.Jobs.Replace(f.ctx, changed))
	f.reopen()
	changed.Rev = 2
	got, err = f.Jobs.Get(f.ctx, j.ID)
	f.ok(err)
	same(f, got, changed)
}

func jobEmpty(f *fixture) {
	quality := 0 // the best quality, which differs from none
	j := sx.Job{ID: "j1", Options: sx.Options{Quality: &quality}}
	f.ok(f.Jobs.Create(f.ctx, j))
	j.Rev = 1
	got, err := f.Jobs.Get(f.ctx, "j1")
	f.ok(err)
	same(f, got, j)
	if !got.Lease.IsZero() || !got.Created.IsZero() {
		f.t.Errorf("zero times were read as %v and %v", got.Lease, got.Created)
	}
}

func jobTwice(f *fixture) {
	f.ok(f.Jobs.Create(f.ctx, job("j1", 0)))
	f.code(f.Jobs.Create(f.ctx, job("j1", 1)), sx.CodeConflict)
	got, err := f.Jobs.Get(f.ctx, "j1")
	f.ok(err)
	if !got.Created.Equal(epoch) {
		f.t.Error("the refused Create changed the job")
	}
}

func jobAbsent(f *fixture) {
	_, err := f.Jobs.Get(f.ctx, "none")
	f.code(err, sx.CodeNotFound)
	f.code(f.Jobs.Replace(f.ctx, job("none", 0)), sx.CodeNotFound)
	f.ok(f.Jobs.Delete(f.ctx, job("none", 0)))
}

func jobReplace(f *fixture) {
	f.ok(f.Jobs.Create(f.ctx, job("j1", 0)))
	first, err := f.Jobs.Get(f.ctx, "j1")
	f.ok(err)
	changed := first
	changed.State = sx.StateQueued
	f.ok(f.Jobs.Replace(f.ctx, changed))
	f.stale(f.Jobs.Replace(f.ctx, first))
	ahead := changed
	ahead.Rev = first.Rev + 2
	f.stale(f.Jobs.Replace(f.ctx, ahead))
	changed.Rev = first.Rev + 1
	got, err := f.Jobs.Get(f.ctx, "j1")
	f.ok(err)
	same(f, got, changed)
}

func jobDelete(f *fixture) {
	f.ok(f.Jobs.Create(f.ctx, job("j1", 0)))
	f.ok(f.Jobs.Create(f.ctx, job("j2", 1)))
	first, err := f.Jobs.Get(f.ctx, "j1")
	f.ok(err)
	f.ok(f.Jobs.Replace(f.ctx, first))
	f.stale(f.Jobs.Delete(f.ctx, first))
	first.Rev++
	f.ok(f.Jobs.Delete(f.ctx, first))
	f.ok(f.Jobs.Delete(f.ctx, first))
	_, err = f.Jobs.Get(f.ctx, "j1")
	f.code(err, sx.CodeNotFound)
	f.lists("after the deletion", all, "j2")
	f.dueJobs(sx.ActionUpload, epoch, "j2")
}

func jobRace(f *fixture) {
	f.ok(f.Jobs.Create(f.ctx, job("j1", 0)))
	race(f, nothing, func(round, racer int) error {
		j := job("j1", 0)
		j.Rev, j.Attempt = int64(round+1), racer
		return f.Jobs.Replace(f.ctx, j)
	})
}

func jobDeleteRace(f *fixture) {
	recreate := func() {
		if j, err := f.Jobs.Get(f.ctx, "j1"); err == nil {
			f.ok(f.Jobs.Delete(f.ctx, j))
		}
		f.ok(f.Jobs.Create(f.ctx, job("j1", 0)))
	}
	race(f, recreate, func(_, racer int) error {
		j := job("j1", 0)
		j.Rev = 1
		if racer == 0 {
			return f.Jobs.Delete(f.ctx, j)
		}
		return f.Jobs.Replace(f.ctx, j)
	})
}

func jobsDue(f *fixture) {
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	for _, c := range []struct {
		id           string
		state        sx.State
		notification sx.NotificationState
		due          int
	}{
		{"u3", sx.StateUploading, sx.NotificationNone, 3},
		{"u1", sx.StateUploading, sx.NotificationNone, 1},
		{"u2", sx.StateUploading, sx.NotificationNone, 2},
		{"u2x", sx.StateUploading, sx.NotificationNone, 2},
		{"paused", sx.StateQueued, sx.NotificationNone, 4},
		{"running", sx.StateRunning, sx.NotificationNone, 5},
		{"done-pending", sx.StateDone, sx.NotificationPending, 7},
		{"failed-pending", sx.StateFailed, sx.NotificationPending, 6},
		{"kept-shortly", sx.StateDone, sx.NotificationSent, 9},
		{"kept-for-now", sx.StateDone, sx.NotificationDeletion, 8},
		{"cancelled", sx.StateCancelled, sx.NotificationNone, 10},
		{"expired", sx.StateExpired, sx.NotificationNone, 10},
	} {
		j := job(c.id, 0)
		j.Owner, j.State, j.Notification = "owner of "+c.id, c.state, c.notification
		j.Check, j.NotBefore, j.Lease = at(c.due), at(c.due), at(c.due)
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	f.ok(f.Jobs.Create(f.ctx, func() sx.Job { j := job("waiting", 0); j.State = sx.StateQueued; return j }()))
	for range 2 {
		f.dueJobs(sx.ActionUpload, at(0))
		f.dueJobs(sx.ActionUpload, at(2), "u1", "u2", "u2x")
		f.dueJobs(sx.ActionUpload, at(9), "u1", "u2", "u2x", "u3")
		f.dueJobs(sx.ActionResume, at(9), "paused")
		f.dueJobs(sx.ActionLease, at(9), "running")
		f.dueJobs(sx.ActionRetention, at(9), "kept-shortly")
		f.dueJobs(sx.ActionAnnounce, at(9), "kept-for-now")
		f.dueJobs(sx.ActionNotify, at(6), "failed-pending")
		f.dueJobs(sx.ActionNotify, at(7), "failed-pending", "done-pending")
		f.reopen()
	}
	list, err := f.Jobs.Due(f.ctx, sx.ActionUpload, at(9), 2)
	f.ok(err)
	same(f, ids(list), []string{"u1", "u2"})

	f.change("u1", func(j *sx.Job) { j.Check = at(8) })
	f.change("u2", func(j *sx.Job) { j.State = sx.StateCancelled })
	f.change("running", func(j *sx.Job) { j.State, j.Notification = sx.StateDone, sx.NotificationPending })
	f.change("done-pending", func(j *sx.Job) { j.Notification = sx.NotificationSent })
	f.dueJobs(sx.ActionUpload, at(9), "u2x", "u3", "u1")
	f.dueJobs(sx.ActionLease, at(9))
	f.dueJobs(sx.ActionNotify, at(9), "running", "failed-pending")
}

// dueJobs checks what Due returns.
func (f *fixture) dueJobs(action sx.Action, now time.Time, want ...string) {
	f.t.Helper()
	list, err := f.Jobs.Due(f.ctx, action, now, 100)
	f.ok(err)
	same(f, ids(list), want)
}

func (f *fixture) change(id string, fn func(*sx.Job)) {
	f.t.Helper()
	j, err := f.Jobs.Get(f.ctx, id)
	f.ok(err)
	fn(&j)
	f.ok(f.Jobs.Replace(f.ctx, j))
}

func ids(list []sx.Job) []string {
	var got []string
	for _, j := range list {
		got = append(got, j.ID)
	}
	return got
}

// jobUpdates increments a counter in a job from several goroutines.
func jobUpdates(f *fixture) {
	const writers, updates = 4, 10
	f.ok(f.Jobs.Create(f.ctx, job("j1", 0)))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range updates {
				_, err := store.Update(f.ctx, "j1", f.Jobs.Get, f.Jobs.Replace, func(j *sx.Job) error {
					j.Attempt++
					return nil
				})
				if err != nil {
					f.t.Errorf("Update returned %v", err)
				}
			}
		})
	}
	wg.Wait()
	got, err := f.Jobs.Get(f.ctx, "j1")
	f.ok(err)
	if got.Attempt != writers*updates || got.Rev != 1+writers*updates {
		f.t.Errorf("after %d updates the counter is %d and Rev %d", writers*updates, got.Attempt, got.Rev)
	}
}
