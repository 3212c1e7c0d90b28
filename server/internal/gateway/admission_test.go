package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// meanwhile is the key of what the stores of these tests call during a request.
type meanwhile struct{}

func during(ctx context.Context) {
	if call, ok := ctx.Value(meanwhile{}).(func()); ok {
		call()
	}
}

// meanwhileLimits is read when the quota of a new job is checked.
type meanwhileLimits struct{ store.Limits }

func (l meanwhileLimits) Get(ctx context.Context, owner string) (sx.Limits, error) {
	during(ctx)
	return l.Limits.Get(ctx, owner)
}

// meanwhileJobs stores a new job, and may report an error nevertheless.
type meanwhileJobs struct {
	store.Jobs
	err error
}

func (s meanwhileJobs) Create(ctx context.Context, j sx.Job) error {
	during(ctx)
	return errors.Join(s.Jobs.Create(ctx, j), s.err)
}

func (s meanwhileJobs) Replace(ctx context.Context, j sx.Job) error {
	err := s.Jobs.Replace(ctx, j)
	during(ctx)
	return err
}

// wantNothing checks that alice has no job, that no bytes of any are stored and that none
// counts.
func (f *fixture) wantNothing() {
	f.t.Helper()
	for _, j := range decode[api.JobList](f.t, f.do(alice, http.MethodGet, api.PathJobs, nil).want(f.t, http.StatusOK)).Jobs {
		f.t.Errorf("the job of the refused upload is %s", j.State)
	}
	if got := f.videos(); len(got) > 0 {
		f.t.Errorf("the videos %v are stored", got)
	}
	usage := decode[api.Usage](f.t, f.do(alice, http.MethodGet, api.PathUsage, nil).want(f.t, http.StatusOK))
	if usage.Bytes != 0 || usage.Uploads != 0 {
		f.t.Errorf("in use is %+v", usage)
	}
}

// request is one of alice, for an upload of 5000 bytes, during which call is called.
func request(ctx context.Context, path string, body io.Reader, call func()) *http.Request {
	r := httptest.NewRequestWithContext(context.WithValue(ctx, meanwhile{}, call), http.MethodPost, path, body)
	for name, value := range map[string]string{
		"Authorization": "Bearer " + alice, "Tus-Resumable": "1.0.0",
		"Upload-Length": "5000", "Upload-Metadata": meta("filename", "a.mp4"),
	} {
		r.Header.Set(name, value)
	}
	return r
}

// TestQuotaOfDisconnected checks the quota although the client disconnects before.
func TestQuotaOfDisconnected(t *testing.T) {
	t.Parallel()
	atCheck := func(c *gateway.Config) { c.Limits = meanwhileLimits{c.Limits} }
	whole := func() (string, io.Reader) { return api.PathJobs + "?filename=a.mp4", bytes.NewReader(video(1, 5000)) }
	tus := func() (string, io.Reader) { return api.PathUploads, nil }
	for name, tt := range map[string]struct {
		target func() (path string, body io.Reader)
		change func(*gateway.Config)
	}{
		"tus, while the quota is checked":   {tus, atCheck},
		"whole, while the quota is checked": {whole, atCheck},
		"tus, while the job is stored":      {tus, func(c *gateway.Config) { c.Jobs = meanwhileJobs{c.Jobs, nil} }},
		"tus, and the store fails":          {tus, func(c *gateway.Config) { c.Jobs = meanwhileJobs{c.Jobs, errors.New("connection lost")} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothStores(t, func(c *gateway.Config) {
				c.Quota.Bytes = 1000
				tt.change(c)
			}, func(t *testing.T, f *fixture) {
				ctx, disconnect := context.WithCancel(t.Context())
				defer disconnect()
				path, body := tt.target()
				f.gw.Handler().ServeHTTP(httptest.NewRecorder(), request(ctx, path, body, disconnect))
				if ctx.Err() == nil {
					t.Fatal("the client has not disconnected")
				}
				f.wantNothing()
			})
		})
	}
}

// TestQuotaOfHasty stores nothing of an upload whose client does not wait for its creation.
func TestQuotaOfHasty(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(c *gateway.Config) {
		c.Quota.Bytes, c.Limits = 1000, meanwhileLimits{c.Limits}
	}, func(t *testing.T, f *fixture) {
		found := 0
		w := httptest.NewRecorder()
		f.gw.Handler().ServeHTTP(w, request(t.Context(), api.PathUploads, nil, func() {
			list := decode[api.JobList](t, f.do(alice, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK)).Jobs
			found = len(list)
			for _, j := range list {
				f.patch(alice, api.PathUploads+j.ID, 0, video(1, 5000)).wantCode(t, sx.CodeUploadExpired)
			}
		}))
		if w.Code != http.StatusForbidden || found != 1 {
			t.Errorf("got %d for the creation, and %d uploads meanwhile", w.Code, found)
		}
		f.wantNothing()
	})
}

// TestQuotaAfterACrash ends a gateway between the creation of a job and the check of the
// quota. Nothing can be uploaded to the job, and the request with its key can be repeated.
func TestQuotaAfterACrash(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(c *gateway.Config) {
		c.Quota.Bytes, c.Limits = 6000, meanwhileLimits{c.Limits}
	}, func(t *testing.T, f *fixture) {
		create := func(call func()) int {
			w, r := httptest.NewRecorder(), request(t.Context(), api.PathUploads, nil, call)
			r.Header.Set(api.HeaderIdempotencyKey, "k")
			f.gw.Handler().ServeHTTP(w, r)
			return w.Code
		}
		func() {
			defer func() { _ = recover() }()
			create(func() { panic("killed") })
		}()
		list := decode[api.JobList](t, f.do(alice, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK)).Jobs
		if len(list) != 1 {
			t.Fatalf("%d jobs after the crash, want 1", len(list))
		}
		id := list[0].ID
		f.patch(alice, api.PathUploads+id, 0, video(1, 5000)).wantCode(t, sx.CodeUploadExpired)
		f.clock.Advance(sx.UploadCheck) // by when a slow creation may not have ended
		stop := f.run()
		testkit.Eventually(t, "the first check", func() bool { return f.job(id).Check.After(f.clock.Now()) })
		if got := create(func() {}); got != http.StatusConflict {
			t.Errorf("the repeated request got %d, want %d", got, http.StatusConflict)
		}
		f.clock.Advance(time.Minute)
		testkit.Eventually(t, "expiry", func() bool {
			used, err := f.store.Jobs.Usage(t.Context(), alice, f.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			return f.job(id).State == sx.StateExpired && used.Bytes == 0 // mongostore subtracts it a moment later
		})
		stop()
		if got := create(func() {}); got != http.StatusCreated {
			t.Errorf("the repeated request got %d, want %d", got, http.StatusCreated)
		}
	})
}

// TestCancelAndDisconnect removes the bytes of a cancelled upload, which no longer count,
// although the client disconnects before.
func TestCancelAndDisconnect(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(c *gateway.Config) {
		jobs := meanwhileJobs{c.Jobs, nil}
		updater := *c.Updater
		updater.Jobs = jobs
		c.Jobs, c.Updater = jobs, &updater
	}, func(t *testing.T, f *fixture) {
		id := idOf(f.create(alice, "a.mp4", 5000))
		ctx, disconnect := context.WithCancel(t.Context())
		defer disconnect()
		f.gw.Handler().ServeHTTP(httptest.NewRecorder(), request(ctx, jobPath(api.PathCancel, id), nil, disconnect))
		if got := f.job(id); ctx.Err() == nil || got.State != sx.StateCancelled {
			t.Fatalf("the client has disconnected: %v; the upload is %s", ctx.Err(), got.State)
		}
		if got := f.videos(); len(got) > 0 {
			t.Errorf("the videos %v are stored", got)
		}
	})
}
