package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

const day = 24 * time.Hour

// onBothStores runs a test with a gateway on localstore and one on mongostore.
func onBothStores(t *testing.T, change func(*gateway.Config), test func(t *testing.T, f *fixture)) {
	t.Helper()
	t.Run("localstore", func(t *testing.T) {
		t.Parallel()
		test(t, newFixtureOn(t, openLocal(t), change))
	})
	t.Run("mongostore", func(t *testing.T) {
		t.Parallel()
		server := mongodb.Start(t)
		name := server.Database(t).Name()
		test(t, newFixtureOn(t, func(string) (store.Store, error) {
			return mongostore.Open(t.Context(), mongostore.Config{
				URI: server.URI, Database: name, Log: slog.New(slog.DiscardHandler), Now: time.Now,
			})
		}, change))
	})
}

// done uploads a video and converts it; its owner was notified.
func (f *fixture) done(user, name string, seed uint64) sx.Job {
	f.t.Helper()
	id := f.upload(user, name, video(seed, 5000))
	f.convert(id, []byte("an MP3"))
	return f.change(id, func(j *sx.Job) error { return j.MarkNotified(f.clock.Now()) })
}

// failed is done for a job that fails.
func (f *fixture) failed(user, name string, seed uint64) sx.Job {
	f.t.Helper()
	id := f.upload(user, name, video(seed, 5000))
	f.change(id, func(j *sx.Job) error { return j.Claim("worker", time.Minute, f.clock.Now()) })
	f.change(id, func(j *sx.Job) error { return j.Fail(j.Attempt, sx.NewError(sx.CodeNoAudio, "silent"), f.clock.Now()) })
	return f.change(id, func(j *sx.Job) error { return j.MarkNotified(f.clock.Now()) })
}

// until runs a gateway's background work until cond is true and a round of retention has
// ended. change adapts its configuration.
func (f *fixture) until(change func(*gateway.Config), what string, cond func() bool) {
	f.t.Helper()
	again := newFixtureLike(f.t, f, change)
	f.reg = again.reg
	stop := again.run()
	defer stop()
	testkit.Eventually(f.t, what, func() bool {
		round, err := f.store.Tasks.Get(context.Background(), "retention")
		return err == nil && round.Next.After(f.clock.Now()) && cond()
	})
}

// keeps configures the retention periods of the gateway.
func retains(r sx.Retention) func(*gateway.Config) {
	return func(c *gateway.Config) { c.Retention = r }
}

// gone reports whether there is no such job.
func (f *fixture) gone(id string) bool {
	_, err := f.store.Jobs.Get(context.Background(), id)
	return sx.CodeOf(err) == sx.CodeNotFound
}

// checked reports whether the retention of a job was checked, and the time of its next
// check stored.
func (f *fixture) checked(id string, next time.Time) func() bool {
	return func() bool { return f.job(id).Check.Equal(next) }
}

func TestRetention(t *testing.T) {
	t.Parallel()
	kept := retains(sx.DefaultRetention())
	onBothStores(t, kept, func(t *testing.T, f *fixture) {
		start := f.clock.Now()
		finished, failed := f.done(alice, "a.mp4", 1), f.failed(alice, "b.mp4", 2)
		cancelled := f.upload(alice, "c.mp4", video(3, 5000))
		f.do(alice, http.MethodPost, jobPath(api.PathCancel, cancelled), nil).want(t, http.StatusOK)
		abandoned := idOf(f.create(alice, "d.mp4", 5000))

		show := func(id string) api.Job {
			t.Helper()
			return decode[api.Job](t, f.do(alice, http.MethodGet, jobPath(api.PathJob, id), nil).want(t, http.StatusOK))
		}
		is := func(at *time.Time, want time.Duration) bool {
			return at != nil && at.Equal(start.Add(want)) || at == nil && want == 0
		}
		for id, want := range map[string]struct{ video, job time.Duration }{
			finished.ID: {7 * day, 0}, failed.ID: {30 * day, 30 * day}, cancelled: {30 * day, 30 * day}, abandoned: {},
		} {
			if j := show(id); !is(j.DeleteVideoAt, want.video) || !is(j.DeleteAt, want.job) {
				t.Errorf("%s: the video is deleted at %v, the job at %v, want %+v later than %v", j.Name, j.DeleteVideoAt, j.DeleteAt, want, start)
			}
		}
		f.until(kept, "first look", func() bool {
			return f.checked(finished.ID, start.Add(7*day))() && f.checked(failed.ID, start.Add(30*day))()
		})

		f.clock.Advance(7*day - time.Minute)
		f.until(kept, "nothing is due yet", f.checked(finished.ID, start.Add(7*day)))
		if got := len(f.videos()); got != 4 {
			t.Errorf("%d videos are stored before any is due, want 4", got)
		}
		f.clock.Advance(time.Minute)
		f.until(kept, "the video is deleted", func() bool { return f.job(finished.ID).VideoDeleted })
		if got := f.videos(); slices.Contains(got, finished.ID) || !slices.Contains(got, failed.ID) || !slices.Contains(got, cancelled) {
			t.Errorf("after a week the videos %v are stored, want those of failed and cancelled jobs", got)
		}
		if j := show(finished.ID); !j.VideoDeleted || j.DeleteVideoAt != nil {
			t.Errorf("shown after the deletion of the video: %+v", j)
		}
		if got := f.metric("sx_retention_deleted_total", "video"); got != 1 {
			t.Errorf("%v videos were counted, want 1", got)
		}
		usage := decode[api.Usage](t, f.do(alice, http.MethodGet, api.PathUsage, nil).want(t, http.StatusOK))
		if want := int64(3*5000 + len("an MP3")); usage.Bytes != want {
			t.Errorf("%d bytes are in use, want %d", usage.Bytes, want)
		}

		f.clock.Advance(23 * day)
		f.until(kept, "failed and cancelled jobs are deleted", func() bool {
			return f.gone(failed.ID) && f.gone(cancelled) && f.job(abandoned).State == sx.StateExpired
		})
		if got := f.videos(); slices.Contains(got, failed.ID) || slices.Contains(got, cancelled) {
			t.Errorf("the videos %v are stored", got)
		}
		f.clock.Advance(31 * day)
		f.until(kept, "the expired upload is deleted", func() bool { return f.gone(abandoned) })
		f.do(alice, http.MethodGet, jobPath(api.PathTrack, finished.ID), nil).want(t, http.StatusOK)
	})
}

// TestRetriedJobIsKept retries a failed job after its deletion was planned.
func TestRetriedJobIsKept(t *testing.T) {
	t.Parallel()
	kept := retains(sx.DefaultRetention())
	f := newFixture(t, kept)
	j := f.failed(alice, "a.mp4", 1)
	f.until(kept, "first look", f.checked(j.ID, j.Ended.Add(30*day)))
	f.do(alice, http.MethodPost, jobPath(api.PathRetry, j.ID), nil).want(t, http.StatusOK)
	other := f.failed(alice, "b.mp4", 2)
	f.clock.Advance(31 * day)
	f.until(kept, "the other job is deleted", func() bool { return f.gone(other.ID) })
	if now := f.job(j.ID); now.State != sx.StateQueued || !slices.Contains(f.videos(), j.ID) {
		t.Errorf("the retried job is %+v, its video is stored: %v", now, slices.Contains(f.videos(), j.ID))
	}
}

// failingVideos refuses to remove videos.
type failingVideos struct {
	store.Videos
	fails *atomic.Bool
}

func (v failingVideos) Remove(ctx context.Context, id string) error {
	if v.fails.Load() {
		return errors.New("the disk is read-only")
	}
	return v.Videos.Remove(ctx, id)
}

// TestRetentionAfterFailure fails to delete files, as a crash would.
func TestRetentionAfterFailure(t *testing.T) {
	t.Parallel()
	var fails atomic.Bool
	fails.Store(true)
	kept := func(c *gateway.Config) {
		c.Retention, c.Videos = sx.DefaultRetention(), failingVideos{c.Videos, &fails}
	}
	f := newFixture(t, kept)
	finished := f.done(alice, "a.mp4", 1)
	failed := f.failed(alice, "b.mp4", 2)
	f.clock.Advance(31 * day)
	// The video of a job that is done is tried again; that of a job that was deleted is
	// left to the sweep.
	f.until(kept, "the video is tried again later", func() bool {
		return f.job(finished.ID).Check.After(f.clock.Now()) && f.gone(failed.ID)
	})
	if f.job(finished.ID).VideoDeleted || len(f.videos()) != 2 {
		t.Fatalf("the job says that its video was deleted; videos %v", f.videos())
	}
	fails.Store(false)
	f.clock.Advance(time.Hour)
	f.until(kept, "both videos are deleted", func() bool { return len(f.videos()) == 0 })
}

// unreachableVideos fails to remove videos, as if the store could not be reached.
type unreachableVideos struct {
	store.Videos
	tried *atomic.Bool
}

func (v unreachableVideos) Remove(context.Context, string) error {
	v.tried.Store(true)
	return sx.NewError(sx.CodeUnavailable, "the database cannot be reached")
}

// TestRetentionAfterOutage cannot reach the store when a video is due, which must not put off
// the deletion for longer than the outage lasts.
func TestRetentionAfterOutage(t *testing.T) {
	t.Parallel()
	var tried atomic.Bool
	f := newFixture(t, retains(sx.DefaultRetention()))
	f.done(alice, "a.mp4", 1)
	f.clock.Advance(8 * day)
	f.until(func(c *gateway.Config) {
		c.Retention, c.Videos = sx.DefaultRetention(), unreachableVideos{c.Videos, &tried}
	}, "an attempt during the outage", tried.Load)
	f.clock.Advance(time.Minute)
	f.until(retains(sx.DefaultRetention()), "the video is deleted", func() bool { return len(f.videos()) == 0 })
}

// TestRetentionIsPaced has more due jobs than a round deletes.
func TestRetentionIsPaced(t *testing.T) {
	t.Parallel()
	const jobs, batch = 130, 100
	kept := retains(sx.DefaultRetention())
	onBothStores(t, kept, func(t *testing.T, f *fixture) {
		for i := range jobs {
			j := sx.NewJob(alice, sx.NewUpload{Source: sx.Source{Name: strconv.Itoa(i) + ".mp4"}, Size: 1}, f.clock.Now())
			if err := j.Expire(f.clock.Now()); err != nil {
				t.Fatal(err)
			}
			if err := f.store.Jobs.Create(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
		stored := func() int {
			u, err := f.store.Jobs.Usage(t.Context(), alice, f.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			return u.Jobs
		}
		f.clock.Advance(31 * day)
		f.until(kept, "the first round", func() bool { return stored() <= jobs-batch })
		if got := stored(); got != jobs-batch {
			t.Errorf("%d jobs are left after a round, want %d", got, jobs-batch)
		}
		f.clock.Advance(time.Minute)
		f.until(kept, "the second round", func() bool { return stored() == 0 })
	})
}

// TestOtherPeriods restarts the gateway with other periods.
func TestOtherPeriods(t *testing.T) {
	t.Parallel()
	onBothStores(t, nil, func(t *testing.T, f *fixture) {
		j := f.failed(alice, "a.mp4", 1)
		f.until(retains(sx.Retention{}), "forever", f.checked(j.ID, time.Time{}))
		f.clock.Advance(day)
		f.until(retains(sx.Retention{Failed: 2 * day}), "a shorter period", f.checked(j.ID, j.Ended.Add(2*day)))
		f.clock.Advance(day)
		f.until(retains(sx.Retention{Failed: 5 * day}), "a longer period", f.checked(j.ID, j.Ended.Add(5*day)))
		f.clock.Advance(3 * day)
		f.until(retains(sx.Retention{Failed: 5 * day}), "deletion", func() bool { return f.gone(j.ID) })
	})
}

// TestTracksAreAnnounced deletes an MP3 only after its owner was notified a day ahead.
func TestTracksAreAnnounced(t *testing.T) {
	t.Parallel()
	periods := sx.Retention{Videos: 7 * day, Tracks: 30 * day}
	kept := retains(periods)
	onBothStores(t, kept, func(t *testing.T, f *fixture) {
		j := f.done(alice, "a.mp4", 1)
		planned := periods.Deletion(&j, f.clock.Now()).Job
		shown := func() time.Time {
			t.Helper()
			got := decode[api.Job](t, f.do(alice, http.MethodGet, jobPath(api.PathJob, j.ID), nil).want(t, http.StatusOK))
			if got.DeleteAt == nil {
				t.Fatalf("no deletion is shown: %+v", got)
			}
			return *got.DeleteAt
		}
		if got := shown(); !got.Equal(planned) || planned.Before(j.Ended.Add(30*day)) {
			t.Errorf("shown as deleted at %v, want %v", got, planned)
		}
		action := func(want sx.Action) func() bool {
			return func() bool {
				stored := f.job(j.ID)
				got, _ := stored.NextAction()
				return got == want
			}
		}
		f.until(kept, "first look", f.checked(j.ID, j.Ended.Add(7*day)))
		f.clock.Set(planned.Add(day)) // the gateway was down: too late for the planned time
		f.until(kept, "the video is deleted", func() bool { return f.job(j.ID).VideoDeleted })
		f.clock.Advance(time.Minute)
		f.until(kept, "the notifier's turn", action(sx.ActionAnnounce))
		later := planned.Add(3 * day)
		if got := shown(); !got.Equal(later) {
			t.Errorf("shown as deleted at %v, want %v", got, later)
		}
		f.clock.Advance(5 * day)
		other := f.failed(alice, "b.mp4", 2)
		f.until(kept, "another job is looked at", f.checked(other.ID, time.Time{}))
		f.do(alice, http.MethodGet, jobPath(api.PathTrack, j.ID), nil).want(t, http.StatusOK) // not announced

		announced := f.change(j.ID, func(j *sx.Job) error { return j.MarkAnnounced(f.clock.Now()) })
		f.clock.Set(announced.Announced.Add(-time.Second))
		third := f.failed(alice, "c.mp4", 3)
		f.until(kept, "not due yet", f.checked(third.ID, time.Time{}))
		f.do(alice, http.MethodGet, jobPath(api.PathTrack, j.ID), nil).want(t, http.StatusOK)
		f.clock.Advance(time.Minute)
		f.until(kept, "the job is deleted with its MP3", func() bool { return f.gone(j.ID) && len(f.tracks()) == 0 })
		// The record of the conversion remains.
		got := f.lookUp(alice, "file1:"+digest(video(1, 5000)), api.Options{})
		if want := (api.Conversion{Tracks: tracksOf(j)}); !reflect.DeepEqual(got, want) {
			t.Errorf("known after the deletion is %+v, want %+v", got, want)
		}
	})
}

// announced is done for a job whose deletion was announced; it returns the time as well.
func (f *fixture) announced(kept func(*gateway.Config), periods sx.Retention) (sx.Job, time.Time) {
	f.t.Helper()
	j := f.done(alice, "a.mp4", 1)
	planned := periods.Deletion(&j, f.clock.Now()).Job
	f.clock.Set(planned.Add(-36 * time.Hour))
	f.until(kept, "the video is deleted", func() bool { return f.job(j.ID).VideoDeleted })
	f.clock.Advance(time.Minute)
	f.until(kept, "the notifier's turn", func() bool { return f.job(j.ID).Notification == sx.NotificationDeletion })
	j = f.change(j.ID, func(j *sx.Job) error { return j.MarkAnnounced(f.clock.Now()) })
	if !j.Announced.Equal(planned) {
		f.t.Fatalf("announced is %v, want %v", j.Announced, planned)
	}
	return j, planned
}

// TestKeptLongerThanAnnounced keeps a job beyond the time that was announced. Once the
// reason is gone, its deletion is announced again.
func TestKeptLongerThanAnnounced(t *testing.T) {
	t.Parallel()
	periods := sx.Retention{Videos: 7 * day, Tracks: 30 * day}
	kept := retains(periods)
	for name, tt := range map[string]struct {
		longer func(*gateway.Config)
		share  bool
	}{
		"forever":         {longer: retains(sx.Retention{Videos: 7 * day})},
		"a longer period": {longer: retains(sx.Retention{Videos: 7 * day, Tracks: 300 * day})},
		"a link":          {longer: kept, share: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothStores(t, kept, func(t *testing.T, f *fixture) {
				j, planned := f.announced(kept, periods)
				var link api.CreatedShare
				if tt.share {
					link = f.share(j.ID, `{"expires_in":8640000}`) // 100 days
				}
				f.clock.Set(planned)
				f.until(tt.longer, "the announcement is withdrawn", func() bool { return f.job(j.ID).Announced.IsZero() })
				f.clock.Advance(90 * day)
				other := f.failed(alice, "b.mp4", 2)
				f.until(tt.longer, "another job is looked at", func() bool { return !f.job(other.ID).Check.Equal(other.Check) })
				if got := f.job(j.ID); got.Notification != sx.NotificationSent {
					t.Errorf("announced again although the job is kept: %+v", got)
				}

				if tt.share {
					f.do(alice, http.MethodDelete, strings.Replace(jobPath(api.PathShare, j.ID), "{share}", link.ID, 1), nil).want(t, http.StatusNoContent)
				}
				f.clock.Advance(2 * time.Hour)
				f.until(kept, "the deletion is brought forward", func() bool {
					next := f.job(j.ID).Check
					return !next.IsZero() && next.Before(f.clock.Now().Add(day))
				})
				f.clock.Advance(time.Minute)
				f.until(kept, "it is announced again", func() bool { return f.job(j.ID).Notification == sx.NotificationDeletion })
				notified := f.clock.Now()
				again := f.change(j.ID, func(j *sx.Job) error { return j.MarkAnnounced(notified) })
				if again.Announced.Before(notified.Add(day)) {
					t.Errorf("announced at %v is the deletion at %v", notified, again.Announced)
				}
				shown := decode[api.Job](t, f.do(alice, http.MethodGet, jobPath(api.PathJob, j.ID), nil).want(t, http.StatusOK)).DeleteAt
				if shown == nil || !shown.Equal(again.Announced) {
					t.Errorf("shown as deleted at %v, want %v", shown, again.Announced)
				}
				f.clock.Set(again.Announced)
				f.until(kept, "the job is deleted", func() bool { return f.gone(j.ID) })
			})
		})
	}
}
