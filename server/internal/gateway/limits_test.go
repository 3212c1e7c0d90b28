package gateway_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// own gives a user limits of their own.
func (f *fixture) own(user string, l sx.Limits) {
	f.t.Helper()
	l.Owner = user
	if err := f.store.Limits.Replace(f.t.Context(), l); err != nil {
		f.t.Fatal(err)
	}
}

// startUpload requests a new upload.
func (f *fixture) startUpload(user, name string, size int) answer {
	f.t.Helper()
	return f.do(user, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0",
		"Upload-Length", strconv.Itoa(size), "Upload-Metadata", meta("filename", name))
}

func TestQuotaOfUploads(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(c *gateway.Config) { c.Quota.Uploads = 2 }, func(t *testing.T, f *fixture) {
		first := idOf(f.create(alice, "a.mp4", 100))
		f.create(alice, "b.mp4", 100)
		e := f.startUpload(alice, "c.mp4", 100).wantCode(t, sx.CodeQuotaExceeded)
		if !strings.Contains(e.Message, "2 unfinished uploads") {
			t.Errorf("got %+v", e)
		}
		if got := f.videos(); len(got) != 2 {
			t.Errorf("the videos %v are stored", got)
		}
		f.create(bob, "a.mp4", 100)
		f.do(alice, http.MethodPost, jobPath(api.PathCancel, first), nil).want(t, http.StatusOK)
		testkit.Eventually(t, "the cancelled upload no longer counts", func() bool {
			return f.startUpload(alice, "c.mp4", 100).status == http.StatusCreated
		})
		three := 3
		f.own(alice, sx.Limits{Uploads: &three})
		f.startUpload(alice, "d.mp4", 100).want(t, http.StatusCreated)
		f.startUpload(alice, "e.mp4", 100).wantCode(t, sx.CodeQuotaExceeded)
	})
}

func TestJobsPerDay(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(c *gateway.Config) { c.Quota.JobsPerDay = 2 }, func(t *testing.T, f *fixture) {
		f.clock.Set(f.clock.Now().Truncate(day).Add(day - time.Minute))
		f.create(alice, "a.mp4", 100)
		removed := idOf(f.create(alice, "b.mp4", 100))
		f.do(alice, http.MethodDelete, jobPath(api.PathJob, removed), nil).want(t, http.StatusNoContent) // still counts
		for range 2 {                                                                                    // a refused one does not
			a := f.startUpload(alice, "c.mp4", 100)
			a.wantCode(t, sx.CodeDailyLimit)
			if a.header.Get("Retry-After") != "60" {
				t.Errorf("Retry-After is %q a minute before midnight", a.header.Get("Retry-After"))
			}
		}
		usage := decode[api.Usage](t, f.do(alice, http.MethodGet, api.PathUsage, nil).want(t, http.StatusOK))
		if usage.Today != 2 || *usage.Limits.JobsPerDay != 2 || usage.Uploads != 1 || *usage.Limits.Bytes != 0 || *usage.Limits.KeepTracks != 0 {
			t.Errorf("got %+v", usage)
		}
		f.clock.Advance(time.Minute)
		f.startUpload(alice, "c.mp4", 100).want(t, http.StatusCreated)
	})
}

func TestOwnQuotaOfBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *gateway.Config) { c.Quota.Bytes = 1000 })
	var more, none int64 = 2000, 0
	f.own(alice, sx.Limits{Bytes: &more})
	f.own(bob, sx.Limits{Bytes: &none})
	f.startUpload(alice, "a.mp4", 2001).wantCode(t, sx.CodeQuotaExceeded)
	f.startUpload(alice, "a.mp4", 2000).want(t, http.StatusCreated)
	f.startUpload(bob, "a.mp4", 1<<30).want(t, http.StatusCreated)
}

// TestOwnRetention gives one of two accounts a period of its own.
func TestOwnRetention(t *testing.T) {
	t.Parallel()
	kept := retains(sx.DefaultRetention())
	onBothStores(t, kept, func(t *testing.T, f *fixture) {
		soon, never := day, time.Duration(0)
		f.own(alice, sx.Limits{Failed: &soon})
		f.own(bob, sx.Limits{Failed: &never})
		of := map[string]sx.Job{alice: f.failed(alice, "a.mp4", 1), bob: f.failed(bob, "b.mp4", 2)}
		for user, j := range of {
			list := decode[api.JobList](t, f.do(user, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK)).Jobs
			if at := list[0].DeleteAt; (at == nil) != (user == bob) || at != nil && !at.Equal(j.Ended.Add(day)) {
				t.Errorf("the job of %s is deleted at %v", user, at)
			}
		}
		f.clock.Advance(100 * day)
		f.until(kept, "deletion", func() bool { return f.gone(of[alice].ID) && f.job(of[bob].ID).Check.IsZero() })
	})
}

// TestLimitsArePublished checks what services without settings for limits read.
func TestLimitsArePublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, bytes := range []int64{5000, 0} {
		again := newFixtureLike(t, f, func(c *gateway.Config) { c.Quota.Bytes = bytes })
		stop := again.run()
		testkit.Eventually(t, "the server's limits", func() bool {
			l, err := f.store.Limits.Get(t.Context(), sx.ServerLimits)
			return err == nil && l.Bytes != nil && *l.Bytes == bytes
		})
		stop()
	}
}
