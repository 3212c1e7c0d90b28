package gateway_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/sx"
)

func TestListJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	data := video(20, 5000)
	var ids []string // newest first
	for i := range 5 {
		w.clock.advance(time.Second)
		ids = slices.Insert(ids, 0, w.upload(alice, "talk "+strconv.Itoa(i)+".mp4", data))
	}
	w.upload(bob, "talk of bob.mp4", data)
	w.do(alice, http.MethodPost, jobPath(api.PathCancel, ids[1]), nil).want(t, http.StatusOK)

	list := func(query url.Values) ([]string, string) {
		t.Helper()
		l := decode[api.JobList](t, w.do(alice, http.MethodGet, api.PathJobs+"?"+query.Encode(), nil).want(t, http.StatusOK))
		got := []string{}
		for _, j := range l.Jobs {
			got = append(got, j.ID)
		}
		return got, l.Next
	}
	tests := []struct {
		name  string
		query url.Values
		want  []string
	}{
		{"all", nil, ids},
		{"by state", url.Values{"state": {"cancelled"}}, ids[1:2]},
		{"by states", url.Values{"state": {"cancelled", "queued"}}, ids},
		{"by id", url.Values{"id": {ids[4], ids[0], ids[0], "unknown"}}, []string{ids[0], ids[4]}},
		{"by name", url.Values{"name": {"TALK 3"}}, []string{ids[1]}},
		{"none", url.Values{"name": {"bob"}}, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, next := list(tt.query); !slices.Equal(got, tt.want) || next != "" {
				t.Errorf("got %v and next %q, want %v", got, next, tt.want)
			}
		})
	}
	var paged []string
	for after := ""; ; {
		page, next := list(url.Values{"limit": {"2"}, "after": {after}})
		paged = append(paged, page...)
		if after = next; after == "" {
			break
		}
	}
	if !slices.Equal(paged, ids) {
		t.Errorf("in pages %v, want %v", paged, ids)
	}

	many := url.Values{}
	for i := range api.MaxIDs + 1 {
		many.Add("id", strconv.Itoa(i))
	}
	for _, query := range []string{"state=lost", "limit=0", "limit=501", "limit=x", "after=!", "after=eA", many.Encode()} {
		w.do(alice, http.MethodGet, api.PathJobs+"?"+query, nil).wantCode(t, sx.CodeInvalid)
	}
}

// passedOn reports whether auth or the notifier answers the route and checks who
// asks.
func passedOn(r gateway.Route) bool {
	return strings.HasPrefix(r.Pattern, "/v1/auth/") || strings.HasPrefix(r.Pattern, "/v1/admin/") ||
		strings.HasPrefix(r.Pattern, api.PathNotify)
}

// TestEveryRouteChecksWhoAsks holds each route against a request without a
// token, with a bad one and, where it names a job, with a stranger's.
func TestEveryRouteChecksWhoAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	data := video(21, 5000)
	uploading := idOf(w.create(alice, "a.mp4", len(data)))
	done := w.upload(alice, "b.mp4", data)
	w.convert(done, []byte("mp3"))
	checked := 0
	for _, r := range w.gw.Routes() {
		if passedOn(r) || r.Pattern == api.PathOpenAPI {
			continue
		}
		checked++
		pattern := strings.TrimSuffix(r.Pattern, "{$}")
		for _, id := range []string{uploading, done} {
			path := strings.Replace(pattern, "{id}", id, 1)
			headers := []string{"Tus-Resumable", "1.0.0", "Content-Type", octets, "Upload-Offset", "0", "Upload-Length", "9"}
			for _, user := range []string{"", "mallory"} {
				a := w.do(user, r.Method, path, nil, headers...).want(t, http.StatusUnauthorized)
				if a.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s %s: no WWW-Authenticate", r.Method, path)
				}
				if r.Method != http.MethodHead {
					a.wantCode(t, sx.CodeUnauthenticated)
				}
			}
			if strings.Contains(pattern, "{id}") {
				a := w.do(bob, r.Method, path, nil, headers...).want(t, http.StatusNotFound)
				if r.Method != http.MethodHead {
					a.wantCode(t, sx.CodeNotFound)
				}
			}
		}
	}
	if checked != 12 {
		t.Errorf("%d routes were checked", checked)
	}
	if w.job(uploading).State != sx.StateUploading || w.job(done).State != sx.StateDone {
		t.Error("a refused request has changed a job")
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.do(alice, http.MethodGet, "/v1/tracks", nil).wantCode(t, sx.CodeNotFound)
	a := w.do(alice, http.MethodPut, api.PathJobs, nil).want(t, http.StatusMethodNotAllowed)
	if a.errorBody(t).Code != sx.CodeInvalid || !strings.Contains(a.header.Get("Allow"), http.MethodGet) {
		t.Errorf("got %v %s", a.header, a.body)
	}
}

func TestCancelAndRetry(t *testing.T) {
	t.Parallel()
	data := video(22, 5000)
	cancel := func(w *world, id string) answer {
		return w.do(alice, http.MethodPost, jobPath(api.PathCancel, id), nil)
	}
	retry := func(w *world, id string) answer {
		return w.do(alice, http.MethodPost, jobPath(api.PathRetry, id), nil)
	}
	claim := func(w *world, id string) {
		w.change(id, func(j *sx.Job) error { return j.Claim("worker", time.Minute, w.clock.Now()) })
	}
	fail := func(w *world, id string) {
		claim(w, id)
		w.change(id, func(j *sx.Job) error {
			return j.Fail(j.Attempt, sx.NewError(sx.CodeNoAudio, "no sound"), w.clock.Now())
		})
	}
	tests := []struct {
		name    string
		before  func(w *world) (id string)
		cancel  int // status
		retry   int // status, after the cancel
		videos  int // that are left in the end
		message string
	}{
		{"uploading", func(w *world) string { return idOf(w.create(alice, "a.mp4", 9000)) }, 200, 409, 0, "never finished"},
		{"queued", func(w *world) string { return w.upload(alice, "a.mp4", data) }, 200, 200, 1, ""},
		{"running", func(w *world) string { id := w.upload(alice, "a.mp4", data); claim(w, id); return id }, 200, 200, 1, ""},
		{"done", func(w *world) string {
			id := w.upload(alice, "a.mp4", data)
			w.convert(id, []byte("mp3"))
			return id
		}, 409, 409, 1, "only a failed or cancelled"},
		{"failed", func(w *world) string { id := w.upload(alice, "a.mp4", data); fail(w, id); return id }, 409, 200, 1, ""},
		{"expired", func(w *world) string {
			id := idOf(w.create(alice, "a.mp4", 9000))
			w.change(id, func(j *sx.Job) error { return j.Expire(w.clock.Now()) })
			return id
		}, 409, 409, 1, "only a failed or cancelled"}, // its bytes are the sweep's
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			id := tt.before(w)
			a := cancel(w, id).want(t, tt.cancel)
			if tt.cancel == http.StatusOK {
				if j := decode[api.Job](t, a); j.State != sx.StateCancelled {
					t.Errorf("answered %+v", j)
				}
				cancel(w, id).want(t, http.StatusOK) // once more is the same
			} else {
				a.wantCode(t, sx.CodeConflict)
			}
			a = retry(w, id).want(t, tt.retry)
			if tt.retry == http.StatusOK {
				if j := decode[api.Job](t, a); j.State != sx.StateQueued || j.Error != nil {
					t.Errorf("answered %+v", j)
				}
			} else if e := a.wantCode(t, sx.CodeConflict); !strings.Contains(e.Message, tt.message) {
				t.Errorf("message %q lacks %q", e.Message, tt.message)
			}
			if got := w.videos(); len(got) != tt.videos {
				t.Errorf("videos %v are left, want %d", got, tt.videos)
			}
		})
	}
}

func TestRemoveJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	data := video(23, 5000)
	ids := map[string]string{
		"uploading": idOf(w.create(alice, "a.mp4", 9000)),
		"queued":    w.upload(alice, "a.mp4", data),
		"running":   w.upload(alice, "a.mp4", data),
		"done":      w.upload(alice, "a.mp4", data),
	}
	w.change(ids["running"], func(j *sx.Job) error { return j.Claim("worker", time.Minute, w.clock.Now()) })
	w.convert(ids["done"], []byte("mp3"))
	for state, id := range ids {
		t.Run(state, func(t *testing.T) {
			path := jobPath(api.PathJob, id)
			w.do(alice, http.MethodDelete, path, nil).want(t, http.StatusNoContent)
			w.do(alice, http.MethodDelete, path, nil).wantCode(t, sx.CodeNotFound)
			w.do(alice, http.MethodGet, path, nil).wantCode(t, sx.CodeNotFound)
			w.do(alice, http.MethodPatch, api.PathUploads+id, nil).wantCode(t, sx.CodeNotFound)
		})
	}
	tracks, err := w.store.Tracks.List(context.Background())
	if got := w.videos(); err != nil || len(got) != 0 || len(tracks) != 0 {
		t.Errorf("videos %v and tracks %v are left, %v", got, tracks, err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx := context.Background()
	data := video(24, 5000)
	if err := w.store.Videos.Create(ctx, "orphan", "a.mp4", 100); err != nil {
		t.Fatal(err)
	}
	crashed := idOf(w.create(alice, "a.mp4", 100)) // cancelled, then a crash before its bytes were removed
	w.change(crashed, func(j *sx.Job) error { return j.Cancel(w.clock.Now()) })
	done, running := w.upload(alice, "a.mp4", data), w.upload(alice, "a.mp4", data)
	w.convert(done, []byte("mp3"))
	w.change(running, func(j *sx.Job) error { return j.Claim("worker", time.Minute, w.clock.Now()) })

	newWorldLike(t, w).run()
	w.eventually("the sweep", func() bool { return !slices.Contains(w.videos(), crashed) })
	wantVideos := []string{done, running, "orphan"} // too young to be told from one whose job comes next
	slices.Sort(wantVideos)
	if got := w.videos(); !slices.Equal(got, wantVideos) {
		t.Errorf("videos %v, want %v", got, wantVideos)
	}

	w.clock.advance(time.Hour + time.Minute)
	newWorldLike(t, w).run()
	w.eventually("the sweep of the orphan", func() bool { return !slices.Contains(w.videos(), "orphan") })
	if got := w.videos(); len(got) != 2 {
		t.Errorf("videos %v, want those of %s and %s", got, done, running)
	}
}
