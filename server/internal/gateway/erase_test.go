package gateway_test

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// erase stores an erasure of the user whose next step is the gateway's.
func (f *fixture) erase(user string, last bool) {
	f.t.Helper()
	now := f.clock.Now()
	e := sx.Erasure{UserID: user, Name: user, Requested: now, Settled: now.Add(time.Hour), Step: sx.EraseJobs, Last: last, Since: now, Due: now}
	if err := f.store.Erasures.Create(context.Background(), e); err != nil {
		f.t.Fatal(err)
	}
}

// erased reports whether the gateway has completed its step: the next one is the
// notifier's.
func (f *fixture) erased(user string) bool {
	e, err := f.store.Erasures.Get(context.Background(), user)
	return err == nil && e.Step == sx.EraseNotifications
}

func TestEraseAccount(t *testing.T) {
	t.Parallel()
	onBothStores(t, nil, func(t *testing.T, f *fixture) {
		finished := f.done(alice, "done.mp4", 1)
		unfinished := f.create(alice, "uploading.mp4", 1000)
		queued := f.upload(alice, "queued.mp4", video(2, 5000))
		running := f.upload(alice, "running.mp4", video(3, 5000))
		f.change(running, func(j *sx.Job) error { return j.Claim("worker", time.Hour, f.clock.Now()) })
		others := f.done(bob, "his.mp4", 4)
		removed := f.done(alice, "removed.mp4", 5) // leaves a record
		f.do(alice, http.MethodDelete, "/v1/jobs/"+removed.ID, nil).want(t, http.StatusNoContent)
		keys := []store.ConversionKey{{Identity: removed.Identity(), Options: removed.Options.Key()}}
		if got, err := f.store.Conversions.Find(t.Context(), alice, keys); err != nil || len(got) != 1 {
			t.Fatalf("records %+v (%v), want that of the removed job", got, err)
		}
		f.createWith(alice, "k", "keyed.mp4", 1000).want(t, http.StatusCreated)

		if err := f.store.Feeds.Replace(t.Context(), sx.Feeds{Owner: alice, List: []sx.Feed{{ID: "f", Name: "hers"}}}); err != nil {
			t.Fatal(err)
		}

		f.erase(alice, true)
		stop := f.run()
		testkit.Eventually(t, "the jobs are erased", func() bool { return f.erased(alice) })
		stop()
		if _, err := f.store.IdempotencyKeys.Get(t.Context(), alice, "k"); sx.CodeOf(err) != sx.CodeNotFound {
			t.Errorf("her idempotency key is left: %v", err)
		}
		if got, err := f.store.Feeds.Get(t.Context(), alice); err != nil || len(got.List) > 0 {
			t.Errorf("her feeds %+v are left (%v)", got, err)
		}
		for _, id := range []string{finished.ID, unfinished, queued, running} {
			if !f.gone(id) {
				t.Errorf("the job %s is left", id)
			}
		}
		if got := f.videos(); len(got) != 1 || got[0] != others.ID {
			t.Errorf("videos %q are left, want that of %s", got, others.ID)
		}
		if got := f.tracks(); len(got) != 1 || got[0] != others.Tracks[0].ID {
			t.Errorf("tracks %q are left, want that of %s", got, others.ID)
		}
		if got, err := f.store.Conversions.Find(t.Context(), alice, keys); err != nil || len(got) > 0 {
			t.Errorf("records %+v are left (%v)", got, err)
		}
		if got, err := f.store.Jobs.Usage(t.Context(), alice, f.clock.Now()); err != nil || got != (sx.Usage{}) {
			t.Errorf("the totals %+v are left (%v)", got, err)
		}
		if f.gone(others.ID) {
			t.Error("a job of another account was erased")
		}
		// The converter of the running job can store nothing more.
		err := f.store.Jobs.Replace(t.Context(), sx.Job{ID: running, Owner: alice, Rev: 3})
		if sx.CodeOf(err) != sx.CodeNotFound {
			t.Errorf("the running job was changed: %v", err)
		}
	})
}

// TestEraseInBatches checks that an account with more jobs than fit into a batch is erased.
func TestEraseInBatches(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const jobs = 120
	for range jobs {
		j := sx.NewJob(alice, sx.NewUpload{Source: sx.Source{Name: "a.mp4"}, Size: 1}, f.clock.Now())
		j.State = sx.StateExpired
		if err := f.store.Jobs.Create(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	f.erase(alice, false)
	f.run()
	testkit.Eventually(t, "the jobs are erased", func() bool { return f.erased(alice) })
	list, _, err := f.store.Jobs.List(t.Context(), store.JobFilter{Owner: alice})
	if err != nil || len(list) > 0 {
		t.Errorf("%d jobs are left (%v)", len(list), err)
	}
	if u, err := f.store.Jobs.Usage(t.Context(), alice, f.clock.Now()); err != nil || u.Jobs != 0 {
		t.Errorf("the totals are %+v (%v)", u, err)
	}
}

// TestErasedUploadEnds checks that an upload of the account cannot be continued.
func TestErasedUploadEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	id := f.create(alice, "a.mp4", 1000)
	f.erase(alice, false)
	f.run()
	testkit.Eventually(t, "the upload is erased", func() bool { return f.erased(alice) })
	a := f.do(alice, http.MethodPatch, "/v1/uploads/"+id, bytes.NewReader(make([]byte, 1000)),
		"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Offset", "0")
	if a.status != http.StatusNotFound && a.status != http.StatusGone {
		t.Errorf("the upload continues: status %d", a.status)
	}
}
