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
	{"Unsettled returns jobs oldest first", jobsUnsettled},
	{"NextQueued returns the oldest job of the other owners", jobsNextQueued},
	{"NextQueued returns only jobs that are due", jobsNextDue},
}

var usageTests = []test{
	{"Usage depends on the state", usageStates},
	{"only the owner's jobs count", usageOwner},
	{"large numbers are added exactly", usageLarge},
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
	f.unsettled("j2")
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

func jobsUnsettled(f *fixture) {
	for i, c := range []struct {
		id           string
		state        sx.State
		notification sx.NotificationState
	}{
		{"uploading", sx.StateUploading, sx.NotificationNone},
		{"done-notified", sx.StateDone, sx.NotificationSent},
		{"queued", sx.StateQueued, sx.NotificationNone},
		{"done-pending", sx.StateDone, sx.NotificationPending},
		{"running", sx.StateRunning, sx.NotificationNone},
		{"failed-pending", sx.StateFailed, sx.NotificationPending},
		{"cancelled", sx.StateCancelled, sx.NotificationNone},
		{"expired", sx.StateExpired, sx.NotificationNone},
		{"failed-notified", sx.StateFailed, sx.NotificationSent},
	} {
		j := job(c.id, -i) // the later ones are older
		j.Owner, j.State, j.Notification = "owner of "+c.id, c.state, c.notification
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	f.unsettled("failed-pending", "running", "done-pending", "queued", "uploading")

	f.change("running", func(j *sx.Job) { j.State, j.Notification = sx.StateDone, sx.NotificationPending })
	f.change("failed-pending", func(j *sx.Job) { j.Notification = sx.NotificationSent })
	f.change("cancelled", func(j *sx.Job) { j.State = sx.StateQueued })
	f.reopen()
	f.unsettled("cancelled", "running", "done-pending", "queued", "uploading")
}

func (f *fixture) next(now time.Time, except []string, want string) {
	f.t.Helper()
	got, err := f.Jobs.NextQueued(f.ctx, now, except)
	f.ok(err)
	if got != want {
		f.t.Errorf("the next job without those of %q is %q, want %q", except, got, want)
	}
}

func jobsNextQueued(f *fixture) {
	f.next(epoch, nil, "")
	for id, c := range map[string]struct {
		owner   string
		seconds int
		state   sx.State
	}{
		"a-uploading": {"a", -9, sx.StateUploading},
		"a-running":   {"a", -8, sx.StateRunning},
		"a1":          {"a", 1, sx.StateQueued},
		"a2":          {"a", 2, sx.StateQueued},
		"b-done":      {"b", -7, sx.StateDone},
		"b5":          {"b", 5, sx.StateQueued},
		"b4":          {"b", 4, sx.StateQueued},
		"b4x":         {"b", 4, sx.StateQueued},
		"ab3":         {"ab", 3, sx.StateQueued}, // whose name starts with another's
		"none6":       {"", 6, sx.StateQueued},
	} {
		j := job(id, c.seconds)
		j.Owner, j.State = c.owner, c.state
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	for range 2 {
		f.next(epoch, nil, "a1")
		f.next(epoch, []string{"b", "nobody"}, "a1")
		f.next(epoch, []string{"a"}, "ab3")
		f.next(epoch, []string{"ab", "a"}, "b4")
		f.next(epoch, []string{"ab", "b", "a"}, "none6")
		f.next(epoch, []string{"ab", "b", "a", ""}, "")
		f.reopen()
	}
	f.change("b4", func(j *sx.Job) { j.State = sx.StateRunning })
	f.next(epoch, []string{"a", "ab"}, "b4x")
	j, err := f.Jobs.Get(f.ctx, "b4x")
	f.ok(err)
	f.ok(f.Jobs.Delete(f.ctx, j))
	f.next(epoch, []string{"a", "ab"}, "b5")
	f.change("a-running", func(j *sx.Job) { j.State = sx.StateQueued })
	f.next(epoch, nil, "a-running")
}

func jobsNextDue(f *fixture) {
	for i, owner := range []string{"a", "a", "b"} {
		j := job("j"+string(rune('0'+i)), i)
		j.Owner, j.State = owner, sx.StateQueued
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	f.change("j0", func(j *sx.Job) { j.NotBefore = at(10) })
	f.next(at(9), nil, "j1")
	f.next(at(10), nil, "j0")
	f.change("j1", func(j *sx.Job) { j.NotBefore = at(20) })
	f.next(at(9), nil, "j2")
	f.next(at(9), []string{"b"}, "")
	f.next(at(15), []string{"b"}, "j0")
}

func (f *fixture) change(id string, fn func(*sx.Job)) {
	f.t.Helper()
	j, err := f.Jobs.Get(f.ctx, id)
	f.ok(err)
	fn(&j)
	f.ok(f.Jobs.Replace(f.ctx, j))
}

func (f *fixture) unsettled(want ...string) {
	f.t.Helper()
	list, err := f.Jobs.Unsettled(f.ctx)
	f.ok(err)
	same(f, ids(list), want)
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

func (f *fixture) usage(owner string, want int64) {
	f.t.Helper()
	got, err := f.Jobs.Usage(f.ctx, owner)
	f.ok(err)
	if got != want {
		f.t.Errorf("usage of %s is %d, want %d", owner, got, want)
	}
}

func usageStates(f *fixture) {
	for _, c := range []struct {
		name     string
		state    sx.State
		complete bool // the video was stored completely
		track    int64
		want     int64
	}{
		{"uploading", sx.StateUploading, false, 0, 1000},
		{"queued", sx.StateQueued, true, 0, 1000},
		{"running", sx.StateRunning, true, 0, 1000},
		{"done", sx.StateDone, true, 70, 1070},
		{"failed", sx.StateFailed, true, 0, 1000},
		{"cancelled while it was being uploaded", sx.StateCancelled, false, 0, 0},
		{"cancelled later", sx.StateCancelled, true, 0, 1000},
		{"expired", sx.StateExpired, false, 0, 0},
	} {
		j := job("job "+c.name, 0)
		j.Owner, j.State, j.Sent.Size = "owner of "+c.name, c.state, 1000
		if c.complete {
			j.Sent.SHA256 = "abcd"
		}
		if c.track > 0 {
			j.Tracks = []sx.Track{{Number: 1, ID: "t", Size: c.track}}
		}
		f.ok(f.Jobs.Create(f.ctx, j))
		f.usage(j.Owner, c.want)
	}
}

func usageOwner(f *fixture) {
	f.usage("u1", 0)
	for i, owner := range []string{"u1", "u2", "u1", "u11"} {
		j := job("j"+string(rune('0'+i)), i)
		j.Owner, j.Sent.Size = owner, 1<<i
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	f.usage("u1", 1+4)
	f.change("j0", func(j *sx.Job) { j.State = sx.StateCancelled })
	f.usage("u1", 4)
	j, err := f.Jobs.Get(f.ctx, "j2")
	f.ok(err)
	f.ok(f.Jobs.Delete(f.ctx, j))
	f.usage("u1", 0)
	f.usage("u2", 2)
}

func usageLarge(f *fixture) {
	const size = 1<<53 + 1 // a float64 would round it
	j := job("j1", 0)
	j.Sent.Size = size
	f.ok(f.Jobs.Create(f.ctx, j))
	f.ok(f.Jobs.Create(f.ctx, job("j2", 1)))
	f.usage("u1", size+100)
}
