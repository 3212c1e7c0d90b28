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
	"github.com/soundextract/sx/server/testkit"
)

func TestListJobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(20, 5000)
	var ids []string // newest first
	for i := range 5 {
		f.clock.Advance(time.Second)
		ids = slices.Insert(ids, 0, f.upload(alice, "talk "+strconv.Itoa(i)+".mp4", data))
	}
	f.upload(bob, "talk of bob.mp4", data)
	f.do(alice, http.MethodPost, jobPath(api.PathCancel, ids[1]), nil).want(t, http.StatusOK)

	list := func(query url.Values) ([]string, string) {
		t.Helper()
		l := decode[api.JobList](t, f.do(alice, http.MethodGet, api.PathJobs+"?"+query.Encode(), nil).want(t, http.StatusOK))
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
		f.do(alice, http.MethodGet, api.PathJobs+"?"+query, nil).wantCode(t, sx.CodeInvalid)
	}
}

// isLink reports whether the route serves a link or a feed, which needs no token; TestShare and
// TestFeed try it.
func isLink(r gateway.Route) bool {
	return strings.HasPrefix(r.Pattern, "/s/") || strings.HasPrefix(r.Pattern, "/f/")
}

// isProxied reports whether the route is forwarded to auth or the notifier,
// which authenticates its requests.
func isProxied(r gateway.Route) bool {
	return strings.HasPrefix(r.Pattern, "/v1/auth/") || strings.HasPrefix(r.Pattern, "/v1/admin/") ||
		strings.HasPrefix(r.Pattern, api.PathNotify)
}

// TestEveryRouteAuthenticates requests each route without a token, with an
// invalid one and, where the path names a job, with another user's.
func TestEveryRouteAuthenticates(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(21, 5000)
	uploading := idOf(f.create(alice, "a.mp4", len(data)))
	done := f.upload(alice, "b.mp4", data)
	f.convert(done, []byte("mp3"))
	checked := 0
	for _, r := range f.gw.Routes() {
		if isProxied(r) || isLink(r) || r.Pattern == api.PathOpenAPI {
			continue
		}
		checked++
		pattern := strings.TrimSuffix(r.Pattern, "{$}")
		for _, id := range []string{uploading, done} {
			path := strings.Replace(pattern, "{id}", id, 1)
			headers := []string{"Tus-Resumable", "1.0.0", "Content-Type", octets, "Upload-Offset", "0", "Upload-Length", "9"}
			for _, user := range []string{"", "mallory"} {
				a := f.do(user, r.Method, path, nil, headers...).want(t, http.StatusUnauthorized)
				if a.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s %s: no WWW-Authenticate", r.Method, path)
				}
				if r.Method != http.MethodHead {
					a.wantCode(t, sx.CodeUnauthenticated)
				}
			}
			if strings.Contains(pattern, "{id}") {
				a := f.do(bob, r.Method, path, nil, headers...).want(t, http.StatusNotFound)
				if r.Method != http.MethodHead {
					a.wantCode(t, sx.CodeNotFound)
				}
			}
		}
	}
	if checked != 22 {
		t.Errorf("%d routes were checked: if a new route needs a token, change the number in this test", checked)
	}
	if f.job(uploading).State != sx.StateUploading || f.job(done).State != sx.StateDone {
		t.Error("a refused request has changed a job")
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.do(alice, http.MethodGet, "/v1/tracks", nil).wantCode(t, sx.CodeNotFound)
	a := f.do(alice, http.MethodPut, api.PathJobs, nil).want(t, http.StatusMethodNotAllowed)
	if a.errorBody(t).Code != sx.CodeInvalid || !strings.Contains(a.header.Get("Allow"), http.MethodGet) {
		t.Errorf("got %v %s", a.header, a.body)
	}
}

// TestNamesToFind checks that a name that no video can have is refused as one to look for,
// and not passed to the store, which may fail at it.
func TestNamesToFind(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, name := range []string{"%00", "a%00b", "%FF", strings.Repeat("a", sx.MaxName+1)} {
		f.do(alice, http.MethodGet, api.PathJobs+"?name="+name, nil).wantCode(t, sx.CodeInvalid)
	}
}

func TestCancelAndRetry(t *testing.T) {
	t.Parallel()
	data := video(22, 5000)
	cancel := func(f *fixture, id string) answer {
		return f.do(alice, http.MethodPost, jobPath(api.PathCancel, id), nil)
	}
	retry := func(f *fixture, id string) answer {
		return f.do(alice, http.MethodPost, jobPath(api.PathRetry, id), nil)
	}
	claim := func(f *fixture, id string) {
		f.change(id, func(j *sx.Job) error { return j.Claim("worker", time.Minute, f.clock.Now()) })
	}
	fail := func(f *fixture, id string) {
		claim(f, id)
		f.change(id, func(j *sx.Job) error {
			return j.Fail(j.Attempt, sx.NewError(sx.CodeNoAudio, "no sound"), f.clock.Now())
		})
	}
	tests := []struct {
		name    string
		before  func(f *fixture) (id string)
		cancel  int // status
		retry   int // status, after the cancel
		videos  int // that are left at the end
		message string
	}{
		{"uploading", func(f *fixture) string { return idOf(f.create(alice, "a.mp4", 9000)) }, 200, 409, 0, "never finished"},
		{"queued", func(f *fixture) string { return f.upload(alice, "a.mp4", data) }, 200, 200, 1, ""},
		{"running", func(f *fixture) string { id := f.upload(alice, "a.mp4", data); claim(f, id); return id }, 200, 200, 1, ""},
		{"done", func(f *fixture) string {
			id := f.upload(alice, "a.mp4", data)
			f.convert(id, []byte("mp3"))
			return id
		}, 409, 409, 1, "only failed or cancelled"},
		{"failed", func(f *fixture) string { id := f.upload(alice, "a.mp4", data); fail(f, id); return id }, 409, 200, 1, ""},
		{"expired", func(f *fixture) string {
			id := idOf(f.create(alice, "a.mp4", 9000))
			f.change(id, func(j *sx.Job) error { return j.Expire(f.clock.Now()) })
			return id
		}, 409, 409, 1, "only failed or cancelled"}, // its bytes are left to the sweep
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			id := tt.before(f)
			a := cancel(f, id).want(t, tt.cancel)
			if tt.cancel == http.StatusOK {
				if j := decode[api.Job](t, a); j.State != sx.StateCancelled {
					t.Errorf("answered %+v", j)
				}
				cancel(f, id).want(t, http.StatusOK) // repeating it changes nothing
			} else {
				a.wantCode(t, sx.CodeConflict)
			}
			a = retry(f, id).want(t, tt.retry)
			if tt.retry == http.StatusOK {
				if j := decode[api.Job](t, a); j.State != sx.StateQueued || j.Error != nil {
					t.Errorf("answered %+v", j)
				}
			} else if e := a.wantCode(t, sx.CodeConflict); !strings.Contains(e.Message, tt.message) {
				t.Errorf("message %q lacks %q", e.Message, tt.message)
			}
			if got := f.videos(); len(got) != tt.videos {
				t.Errorf("videos %v are left, want %d", got, tt.videos)
			}
		})
	}
}

func TestRemoveJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(23, 5000)
	ids := map[string]string{
		"uploading": idOf(f.create(alice, "a.mp4", 9000)),
		"queued":    f.upload(alice, "a.mp4", data),
		"running":   f.upload(alice, "a.mp4", data),
		"done":      f.upload(alice, "a.mp4", data),
	}
	f.change(ids["running"], func(j *sx.Job) error { return j.Claim("worker", time.Minute, f.clock.Now()) })
	f.convert(ids["done"], []byte("mp3"))
	for state, id := range ids {
		t.Run(state, func(t *testing.T) {
			path := jobPath(api.PathJob, id)
			f.do(alice, http.MethodDelete, path, nil).want(t, http.StatusNoContent)
			f.do(alice, http.MethodDelete, path, nil).wantCode(t, sx.CodeNotFound)
			f.do(alice, http.MethodGet, path, nil).wantCode(t, sx.CodeNotFound)
			f.do(alice, http.MethodPatch, api.PathUploads+id, nil).wantCode(t, sx.CodeNotFound)
		})
	}
	tracks, _, err := f.store.Tracks.List(context.Background(), "", 100)
	if got := f.videos(); err != nil || len(got) != 0 || len(tracks) != 0 {
		t.Errorf("videos %v and tracks %v are left, %v", got, tracks, err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ctx := context.Background()
	data := video(24, 5000)
	if err := f.store.Videos.Create(ctx, "orphan", "a.mp4", 100); err != nil {
		t.Fatal(err)
	}
	crashed := idOf(f.create(alice, "a.mp4", 100)) // cancelled, then a crash before its bytes were removed
	f.change(crashed, func(j *sx.Job) error { return j.Cancel(f.clock.Now()) })
	done, running := f.upload(alice, "a.mp4", data), f.upload(alice, "a.mp4", data)
	f.convert(done, []byte("mp3"))
	f.change(running, func(j *sx.Job) error { return j.Claim("worker", time.Minute, f.clock.Now()) })

	newFixtureLike(t, f).run()
	testkit.Eventually(f.t, "the sweep", func() bool {
		pass, err := f.store.Tasks.Get(ctx, "sweep videos") // its end is stored after the removal
		return err == nil && pass.Next.After(f.clock.Now()) && !slices.Contains(f.videos(), crashed)
	})
	wantVideos := []string{done, running, "orphan"} // so young that its job may still be stored
	slices.Sort(wantVideos)
	if got := f.videos(); !slices.Equal(got, wantVideos) {
		t.Errorf("videos %v, want %v", got, wantVideos)
	}

	f.clock.Advance(time.Hour + time.Minute)
	newFixtureLike(t, f).run()
	testkit.Eventually(f.t, "the sweep of the orphan", func() bool { return !slices.Contains(f.videos(), "orphan") })
	if got := f.videos(); len(got) != 2 {
		t.Errorf("videos %v, want those of %s and %s", got, done, running)
	}
}
