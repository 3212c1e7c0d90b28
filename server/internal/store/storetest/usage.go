package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

var usageTests = []test{
	{"Usage depends on the state", usageStates},
	{"only the owner's jobs count", usageOwner},
	{"large numbers are added exactly", usageLarge},
	{"open uploads and jobs are counted", usageCounts},
	{"the jobs of a day are counted", usageToday},
	{"a refused change counts nothing", usageRefused},
	{"concurrent changes are all counted", usageConcurrent},
	{"owners are listed by their bytes", usageOwners},
	{"Recount leaves totals that are right", usageRecount},
}

func (f *fixture) usage(owner string, want int64) {
	f.t.Helper()
	got, err := f.Jobs.Usage(f.ctx, owner, epoch)
	f.ok(err)
	if got.Bytes != want {
		f.t.Errorf("usage of %s is %d bytes, want %d", owner, got.Bytes, want)
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
		{"done, without the video", sx.StateDone, true, 71, 71},
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
		j.VideoDeleted = c.want == c.track && c.track > 0
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

// totals checks all of Usage.
func (f *fixture) totals(owner string, now time.Time, want sx.Usage) {
	f.t.Helper()
	got, err := f.Jobs.Usage(f.ctx, owner, now)
	f.ok(err)
	if got != want {
		f.t.Errorf("the totals of %s are %+v, want %+v", owner, got, want)
	}
}

func usageCounts(f *fixture) {
	f.totals("u1", epoch, sx.Usage{})
	f.ok(f.Jobs.Create(f.ctx, job("j1", 0)))
	f.ok(f.Jobs.Create(f.ctx, job("j2", 1)))
	f.totals("u1", epoch, sx.Usage{Bytes: 200, Uploads: 2, Jobs: 2, Today: 2})
	f.change("j1", func(j *sx.Job) { j.State, j.Sent.SHA256 = sx.StateQueued, "abcd" })
	f.change("j2", func(j *sx.Job) { j.State = sx.StateExpired })
	f.totals("u1", epoch, sx.Usage{Bytes: 100, Jobs: 2, Today: 2})
	f.reopen()
	f.totals("u1", epoch, sx.Usage{Bytes: 100, Jobs: 2, Today: 2})
	f.remove("j1")
	f.remove("j2")
	f.totals("u1", epoch, sx.Usage{Today: 2})
}

func (f *fixture) remove(id string) {
	f.t.Helper()
	j, err := f.Jobs.Get(f.ctx, id)
	f.ok(err)
	f.ok(f.Jobs.Delete(f.ctx, j))
}

func usageToday(f *fixture) {
	const day = 24 * 60 * 60
	midnight := epoch.Truncate(24 * time.Hour)
	start := int(midnight.Sub(epoch) / time.Second)
	f.ok(f.Jobs.Create(f.ctx, job("j1", start)))
	f.ok(f.Jobs.Create(f.ctx, job("j2", start+day-1)))
	f.totals("u1", midnight, sx.Usage{Bytes: 200, Uploads: 2, Jobs: 2, Today: 2})
	f.totals("u1", midnight.Add(24*time.Hour), sx.Usage{Bytes: 200, Uploads: 2, Jobs: 2})
	f.change("j1", func(j *sx.Job) { j.Failures++ })
	f.remove("j1") // it was not refused, so it still counts
	f.remove("j2") // it was
	f.totals("u1", midnight, sx.Usage{Today: 1})
	f.ok(f.Jobs.Create(f.ctx, job("j3", start+day)))
	f.totals("u1", midnight.Add(24*time.Hour), sx.Usage{Bytes: 100, Uploads: 1, Jobs: 1, Today: 1})

	f.ok(f.Jobs.Create(f.ctx, job("j4", start+365*day))) // by a clock that is wrong
	f.totals("u1", midnight.Add(24*time.Hour), sx.Usage{Bytes: 200, Uploads: 2, Jobs: 2})
	for i := range 2 {
		f.ok(f.Jobs.Create(f.ctx, job(fmt.Sprintf("j5-%d", i), start+day+1)))
	}
	f.totals("u1", midnight.Add(24*time.Hour), sx.Usage{Bytes: 400, Uploads: 4, Jobs: 4, Today: 2})
	f.ok(f.Jobs.Create(f.ctx, job("j6", start+2*day))) // by one that is a little ahead
	f.ok(f.Jobs.Create(f.ctx, job("j7", start+day+2)))
	f.totals("u1", midnight.Add(48*time.Hour), sx.Usage{Bytes: 600, Uploads: 6, Jobs: 6, Today: 1})
}

func usageRefused(f *fixture) {
	f.ok(f.Jobs.Create(f.ctx, job("j1", 0)))
	f.code(f.Jobs.Create(f.ctx, job("j1", 0)), sx.CodeConflict)
	large := job("j1", 0)
	large.Rev, large.Sent.Size = 7, 1000
	f.stale(f.Jobs.Replace(f.ctx, large))
	f.stale(f.Jobs.Delete(f.ctx, large))
	large.ID = "none"
	f.code(f.Jobs.Replace(f.ctx, large), sx.CodeNotFound)
	f.ok(f.Jobs.Delete(f.ctx, large))
	f.totals("u1", epoch, sx.Usage{Bytes: 100, Uploads: 1, Jobs: 1, Today: 1})
}

// usageConcurrent creates, changes and removes jobs of one owner at the same time.
func usageConcurrent(f *fixture) {
	const writers, each = 8, 5
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("j%d-%d", w, i)
				if err := f.Jobs.Create(f.ctx, job(id, 0)); err != nil {
					f.t.Errorf("Create returned %v", err)
				}
				j, err := store.Update(f.ctx, id, f.Jobs.Get, f.Jobs.Replace, func(j *sx.Job) error {
					j.State, j.Tracks = sx.StateDone, []sx.Track{{Size: 7}}
					return nil
				})
				if err != nil {
					f.t.Errorf("Update returned %v", err)
				}
				if j.Rev++; i > 0 {
					if err := f.Jobs.Delete(f.ctx, j); err != nil {
						f.t.Errorf("Delete returned %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	f.totals("u1", epoch, sx.Usage{Bytes: writers * 107, Jobs: writers, Today: writers * each})
}

func usageRecount(f *fixture) {
	for i := range 50 {
		j := job(fmt.Sprintf("j%d", i), 0)
		j.Owner = fmt.Sprintf("u%d", i%25)
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	for cursor, more := "", true; more; more = cursor != "" {
		next, err := f.Jobs.Recount(f.ctx, cursor)
		f.ok(err)
		cursor = next
	}
	f.totals("u24", epoch, sx.Usage{Bytes: 200, Uploads: 2, Jobs: 2, Today: 2})
}

func usageOwners(f *fixture) {
	for i, c := range []struct {
		owner string
		bytes int64
	}{{"u3", 200}, {"u1", 100}, {"u2", 200}, {"u1", 150}, {"u4", 10}} {
		j := job(fmt.Sprintf("j%d", i), 0)
		j.Owner, j.Sent.Size = c.owner, c.bytes
		f.ok(f.Jobs.Create(f.ctx, j))
	}
	want := []store.OwnerUsage{
		{Owner: "u1", Usage: sx.Usage{Bytes: 250, Uploads: 2, Jobs: 2, Today: 2}},
		{Owner: "u2", Usage: sx.Usage{Bytes: 200, Uploads: 1, Jobs: 1, Today: 1}},
		{Owner: "u3", Usage: sx.Usage{Bytes: 200, Uploads: 1, Jobs: 1, Today: 1}},
		{Owner: "u4", Usage: sx.Usage{Bytes: 10, Uploads: 1, Jobs: 1, Today: 1}},
	}
	for limit := 1; limit <= 5; limit++ {
		var got []store.OwnerUsage
		for {
			var after *store.OwnerUsage
			if len(got) > 0 {
				after = &got[len(got)-1]
			}
			page, more, err := f.Jobs.Owners(f.ctx, after, epoch, limit)
			f.ok(err)
			if got = append(got, page...); !more {
				break
			}
			if len(page) != limit {
				f.t.Fatalf("limit %d: a page of %d, and there are more", limit, len(page))
			}
		}
		same(f, got, want)
	}
}
