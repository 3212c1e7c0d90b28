package gateway_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// withAuth is an auth that says that only alice is active, unless she is disabled.
func withAuth(t *testing.T, disabled *atomic.Bool) func(*gateway.Config) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in api.ActiveRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != api.PathActive {
			t.Errorf("auth got %s %s: %v", r.Method, r.URL.Path, err)
		}
		api.Write(w, http.StatusOK, api.Active{Active: in.UserID == alice && !disabled.Load()})
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *gateway.Config) { c.AuthURL, c.TrustedHops = u, 1 }
}

// share creates a link of alice's.
func (f *fixture) share(id, body string) api.CreatedShare {
	f.t.Helper()
	return decode[api.CreatedShare](f.t, f.do(alice, http.MethodPost, jobPath(api.PathShares, id), strings.NewReader(body), "Content-Type", "application/json").want(f.t, http.StatusCreated))
}

// links returns what alice sees of the job's links.
func (f *fixture) links(id string) []api.Share {
	f.t.Helper()
	return decode[api.Job](f.t, f.do(alice, http.MethodGet, jobPath(api.PathJob, id), nil).want(f.t, http.StatusOK)).Shares
}

func TestShare(t *testing.T) {
	t.Parallel()
	var disabled atomic.Bool
	f := newFixture(t, withAuth(t, &disabled))
	id := f.upload(alice, `"><img src=x onerror=alert(1)>.mp4`, video(40, 5000))
	f.do(alice, http.MethodPost, jobPath(api.PathShares, id), strings.NewReader(`{}`), "Content-Type", "application/json").want(t, http.StatusConflict)
	f.convert(id, []byte("0123456789"))
	other := f.upload(alice, "other.mp4", video(41, 5000))
	f.convert(other, []byte("other"))
	for _, body := range []string{`{"expires_in":59}`, `{"expires_in":31622401}`, `{"expires_in":-1}`} {
		f.do(alice, http.MethodPost, jobPath(api.PathShares, id), strings.NewReader(body), "Content-Type", "application/json").wantCode(t, sx.CodeInvalid)
	}
	made := f.share(id, `{}`)
	if !made.Expires.Equal(f.clock.Now().Add(7*24*time.Hour)) || !regexp.MustCompile(`^/s/sxl_[a-z2-7]{48}$`).MatchString(made.Path) || !strings.HasPrefix(made.ID, id+"-") {
		t.Errorf("created %+v", made)
	}
	if raw, _ := json.Marshal(f.job(id)); strings.Contains(string(raw), made.Path[len(api.SharedPaths):]) {
		t.Error("the secret is stored")
	}
	page := f.do("", http.MethodGet, made.Path, nil, "Accept", "text/html").want(t, http.StatusOK)
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store", "X-Robots-Tag": "noindex, nofollow",
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Set-Cookie": "",
	} {
		if got := page.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") || strings.Contains(csp, "script") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if text := string(page.body); !strings.Contains(text, `<audio controls preload="metadata" src="`+made.Path+`/1">`) || strings.Contains(text, "<img") || strings.Contains(text, "<script") || strings.Contains(text, "alice") {
		t.Errorf("the page is %s", text)
	}
	for length, want := range map[time.Duration]string{1500 * time.Millisecond: "(0:02, ", 1110 * time.Second: "(18:30, ", 3723 * time.Second: "(1:02:03, "} {
		f.change(id, func(j *sx.Job) error { j.Tracks[0].Duration = length; return nil })
		if a := f.do("", http.MethodGet, made.Path, nil).want(t, http.StatusOK); !strings.Contains(string(a.body), want) {
			t.Errorf("the page of %v lacks %q: %s", length, want, a.body)
		}
	}
	uses := f.links(id)[0].Uses
	track := f.do("", http.MethodGet, made.Path+"/1", nil, "Range", "bytes=3-5").want(t, http.StatusPartialContent)
	if string(track.body) != "345" || track.header.Get("Referrer-Policy") != "no-referrer" || !strings.HasPrefix(track.header.Get("Content-Disposition"), "attachment;") {
		t.Errorf("got %q with %v", track.body, track.header)
	}
	f.do("", http.MethodHead, made.Path, nil).want(t, http.StatusOK)
	f.do("", http.MethodGet, made.Path+"/2", nil).want(t, http.StatusNotFound)
	// A cookie or token of another account changes nothing, and other sites may link to it.
	f.do(bob, http.MethodGet, made.Path, nil, "Cookie", "sx-session-1=x", "Sec-Fetch-Site", "cross-site", "Accept", "text/html").want(t, http.StatusOK)
	if links := f.links(id); len(links) != 1 || links[0].ID != made.ID || links[0].Uses != uses+1 || links[0].Used == nil {
		t.Errorf("the links are %+v, want one with %d uses", links, uses+1)
	}
	list := decode[api.JobList](t, f.do(alice, http.MethodGet, api.PathJobs+"?shared=true", nil).want(t, http.StatusOK))
	if len(list.Jobs) != 1 || list.Jobs[0].ID != id {
		t.Errorf("jobs with links: %+v", list.Jobs)
	}
	f.do(alice, http.MethodGet, api.PathJobs+"?shared=maybe", nil).wantCode(t, sx.CodeInvalid)

	secret := strings.TrimPrefix(made.Path, api.SharedPaths)
	for name, path := range map[string]string{
		"a changed secret": made.Path[:len(made.Path)-1] + "a", "another secret of the job": api.SharedPaths + token.NewSecret(api.SharePrefix, id),
		"the secret of no job": api.SharedPaths + token.NewSecret(api.SharePrefix, sx.NewID()), "a personal token": api.SharedPaths + token.NewSecret(api.TokenPrefix, id),
		"the job's ID": api.SharedPaths + id, "another job's": api.SharedPaths + token.NewSecret(api.SharePrefix, other),
	} {
		if path == made.Path {
			path = made.Path[:len(made.Path)-1] + "b"
		}
		f.do("", http.MethodGet, path, nil).wantCode(t, sx.CodeNotFound)
		f.do("", http.MethodGet, path+"/1", nil).wantCode(t, sx.CodeNotFound)
		if a := f.do("", http.MethodGet, path, nil, "Accept", "text/html").want(t, http.StatusNotFound); !strings.Contains(string(a.body), "<p>this link does not work") || a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	f.do(secret, http.MethodGet, api.PathJobs, nil).want(t, http.StatusUnauthorized)

	disabled.Store(true)
	f.do("", http.MethodGet, made.Path, nil).wantCode(t, sx.CodeNotFound)
	f.do("", http.MethodGet, made.Path+"/1", nil).wantCode(t, sx.CodeNotFound)
	disabled.Store(false)
	f.do("", http.MethodGet, made.Path+"/1", nil).want(t, http.StatusOK)

	revoke := strings.Replace(jobPath(api.PathShare, id), "{share}", made.ID, 1)
	f.do(bob, http.MethodDelete, revoke, nil).wantCode(t, sx.CodeNotFound)
	f.do(bob, http.MethodPost, jobPath(api.PathShares, id), strings.NewReader(`{}`), "Content-Type", "application/json").wantCode(t, sx.CodeNotFound)
	f.do(alice, http.MethodDelete, revoke, nil).want(t, http.StatusNoContent)
	f.do(alice, http.MethodDelete, revoke, nil).wantCode(t, sx.CodeNotFound)
	f.do("", http.MethodGet, made.Path, nil).wantCode(t, sx.CodeNotFound)
	f.do("", http.MethodGet, made.Path+"/1", nil).wantCode(t, sx.CodeNotFound)

	short, long := f.share(id, `{"expires_in":60}`), f.share(id, `{"expires_in":3600}`)
	f.clock.Advance(time.Minute)
	f.do("", http.MethodGet, short.Path+"/1", nil).wantCode(t, sx.CodeNotFound)
	f.do("", http.MethodGet, long.Path+"/1", nil).want(t, http.StatusOK)
	f.do(alice, http.MethodDelete, jobPath(api.PathJob, id), nil).want(t, http.StatusNoContent)
	f.do("", http.MethodGet, long.Path, nil).wantCode(t, sx.CodeNotFound)

	for _, method := range []string{http.MethodPost, http.MethodDelete} { // no route matches
		f.do("", method, long.Path, nil)
	}
	f.do("", http.MethodGet, long.Path+"/1/more", nil)
	if logs := f.logs.String(); regexp.MustCompile(`sxl_[a-z2-7]`).MatchString(logs) || !strings.Contains(logs, "path=/s/sxl_…") {
		t.Error("the log has the secret of a link, or no request of one")
	}
}

// TestSharedArchive downloads the MP3s of a link together.
func TestSharedArchive(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withAuth(t, new(atomic.Bool)))
	id := f.upload(alice, "private/talk.mp4", video(42, 5000))
	f.convert(id, []byte("one"), []byte("two"))
	made := f.share(id, `{}`)
	page := f.do("", http.MethodGet, made.Path, nil, "Accept", "text/html").want(t, http.StatusOK)
	if text := string(page.body); !strings.Contains(text, `<a href="`+made.Path+`/tracks.zip">Download all 2 MP3s as a ZIP archive</a> (6 B)`) || strings.Contains(text, "private") {
		t.Errorf("the page is %s", text)
	}
	path := made.Path + "/tracks.zip"
	a := f.do("", http.MethodGet, path, nil, "Sec-Fetch-Site", "cross-site").want(t, http.StatusOK)
	for name, want := range map[string]string{
		"Content-Type": "application/zip", "Content-Length": strconv.Itoa(len(a.body)), "Content-Disposition": "attachment; filename=talk.zip",
		"Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store", "X-Robots-Tag": "noindex, nofollow", "X-Content-Type-Options": "nosniff",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	z, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"talk/talk - 01.mp3": "one", "talk/talk - 02.mp3": "two"} {
		if got, err := fs.ReadFile(z, name); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	if len(z.File) != 2 {
		t.Errorf("the archive has %d files", len(z.File))
	}
	f.do("", http.MethodHead, path, nil).want(t, http.StatusOK)
	if got := f.links(id)[0].Uses; got != 2 {
		t.Errorf("%d uses were counted for an opening and an archive", got)
	}
	f.do(alice, http.MethodDelete, strings.Replace(jobPath(api.PathShare, id), "{share}", made.ID, 1), nil).want(t, http.StatusNoContent)
	f.do("", http.MethodGet, path, nil).wantCode(t, sx.CodeNotFound)
}

// TestLinksOfAJob checks how many links a job can have.
func TestLinksOfAJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	j := f.done(alice, "a.mp4", 1)
	var ids []string
	for range sx.MaxShares {
		ids = append(ids, f.share(j.ID, `{"expires_in":60}`).ID)
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != sx.MaxShares {
		t.Errorf("%d different IDs", n)
	}
	f.do(alice, http.MethodPost, jobPath(api.PathShares, j.ID), strings.NewReader(`{}`), "Content-Type", "application/json").wantCode(t, sx.CodeConflict)
	f.clock.Advance(time.Minute)
	f.share(j.ID, `{}`) // takes the place of those that have expired
	if n := len(f.links(j.ID)); n != 1 {
		t.Errorf("the job has %d links, want 1", n)
	}
}

// TestManyOpenings checks that one address cannot cause writes without limit, and that all
// people behind it see the page and are counted.
func TestManyOpenings(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withAuth(t, new(atomic.Bool)))
	j := f.done(alice, "a.mp4", 1)
	made := f.share(j.ID, `{}`)
	before := f.job(j.ID).Rev
	open := func(from string) {
		t.Helper()
		f.do("", http.MethodGet, made.Path, nil, "X-Forwarded-For", from, "Accept", "text/html").want(t, http.StatusOK)
	}
	const many = 200
	for range many {
		open("192.0.2.1")
	}
	if writes := f.job(j.ID).Rev - before; writes == 0 || writes >= many {
		t.Errorf("%d writes for %d openings in a moment", writes, many)
	}
	open("198.51.100.1")
	if got := f.links(j.ID)[0].Uses; got != many+1 {
		t.Errorf("%d uses were counted, want %d", got, many+1)
	}
}

// TestSharedIsKept checks that retention does not delete what a link shows.
func TestSharedIsKept(t *testing.T) {
	t.Parallel()
	kept := retains(sx.Retention{Videos: day, Tracks: 2 * day})
	onBothStores(t, kept, func(t *testing.T, f *fixture) {
		j, plain := f.done(alice, "a.mp4", 1), f.done(alice, "b.mp4", 2)
		made := f.share(j.ID, `{"expires_in":864000}`)
		show := func(id string) time.Time {
			return *decode[api.Job](t, f.do(alice, http.MethodGet, jobPath(api.PathJob, id), nil).want(t, http.StatusOK)).DeleteAt
		}
		if !show(plain.ID).Before(j.Ended.Add(4*day)) || show(j.ID).Before(made.Expires) {
			t.Errorf("the jobs are deleted at %v and %v; the link expires at %v", show(plain.ID), show(j.ID), made.Expires)
		}
		f.clock.Advance(4 * day)
		f.until(kept, "the videos are deleted", func() bool { return f.job(plain.ID).VideoDeleted && f.job(j.ID).VideoDeleted })
		f.clock.Advance(time.Minute)
		f.until(kept, "the announcement of the other", func() bool { return f.job(plain.ID).Notification == sx.NotificationDeletion })
		if got := f.job(j.ID); !got.Announced.IsZero() || len(got.Tracks) != 1 {
			t.Errorf("the shared job is %+v", got)
		}
		f.do(alice, http.MethodDelete, strings.Replace(jobPath(api.PathShare, j.ID), "{share}", made.ID, 1), nil).want(t, http.StatusNoContent)
		if !show(j.ID).Before(made.Expires) {
			t.Errorf("without the link, the job is deleted at %v", show(j.ID))
		}
	})
}
