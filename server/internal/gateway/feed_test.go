package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mmcdole/gofeed"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// fiona has feeds: the address of a feed has the ID of its owner, which has this length.
const fiona = "fionafionafionaf"

// publicURL is the address by which the readers of these tests reach the server.
const publicURL = "https://sx.example.org/sound"

// feeding configures an auth that knows fiona and bob; disabled says whether fiona is.
func withFeeds(t *testing.T, disabled *atomic.Bool) func(*gateway.Config) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in api.ActiveRequest
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != api.PathActive {
			t.Errorf("auth got %s %s: %v", r.Method, r.URL.Path, err)
		}
		api.Write(w, http.StatusOK, api.Active{Active: in.UserID == fiona && !disabled.Load()})
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *gateway.Config) {
		c.AuthURL, c.TrustedHops = u, 1
		c.Verify = func(_ context.Context, raw string) (token.Claims, error) {
			if raw != fiona && raw != bob {
				return token.Claims{}, sx.NewError(sx.CodeUnauthenticated, "the access token is not valid")
			}
			return token.Claims{UserID: raw, Expires: c.Now().Add(token.Lifetime)}, nil
		}
	}
}

// feed creates a feed of fiona's.
func (f *fixture) feed(in api.NewFeed) api.CreatedFeed {
	f.t.Helper()
	in.Server = publicURL + "/"
	return decode[api.CreatedFeed](f.t, f.post(fiona, api.PathFeeds, in).want(f.t, http.StatusCreated))
}

func (f *fixture) post(user, path string, in any) answer {
	f.t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.do(user, http.MethodPost, path, bytes.NewReader(raw), "Content-Type", "application/json")
}

// read reads a feed as an app does.
func (f *fixture) read(path string) *gofeed.Feed {
	f.t.Helper()
	feed, err := gofeed.NewParser().ParseString(string(f.do("", http.MethodGet, path, nil).want(f.t, http.StatusOK).body))
	if err != nil {
		f.t.Fatal(err)
	}
	return feed
}

func titles(feed *gofeed.Feed) string {
	var list []string
	for _, i := range feed.Items {
		list = append(list, i.Title)
	}
	return strings.Join(list, " ")
}

// local returns the path on the server of an address in a feed.
func local(t *testing.T, address string) string {
	t.Helper()
	path, ok := strings.CutPrefix(address, publicURL)
	if !ok {
		t.Fatalf("%s is not on the server", address)
	}
	return path
}

func TestFeed(t *testing.T) {
	t.Parallel()
	var disabled atomic.Bool
	f := newFixture(t, withFeeds(t, &disabled))
	made := f.feed(api.NewFeed{Name: " Staff talks "})
	if !regexp.MustCompile(`^/f/sxf_[a-z2-7]{48}/feed\.xml$`).MatchString(made.Path) || made.Name != "Staff talks" || made.Server != publicURL || !made.Created.Equal(f.clock.Now()) {
		t.Errorf("created %+v", made)
	}
	secret := strings.Split(made.Path, "/")[2]
	stored, err := f.store.Feeds.Get(t.Context(), fiona)
	if raw, _ := json.Marshal(stored); err != nil || len(stored.List) != 1 || strings.Contains(string(raw), secret) {
		t.Errorf("%s is stored, %v", raw, err)
	}
	if empty := f.read(made.Path); empty.Title != "Staff talks" || len(empty.Items) > 0 {
		t.Errorf("without MP3s: %+v", empty)
	}
	first := f.done(fiona, "first.mp4", 1)
	f.clock.Advance(time.Hour)
	second := f.done(fiona, "second.mp4", 2)
	f.failed(fiona, "failed.mp4", 3)
	foreign := f.done(bob, "foreign.mp4", 4)
	feed := f.read(made.Path)
	if got := titles(feed); got != "second first" {
		t.Fatalf("the feed has %q", got)
	}
	item := feed.Items[0]
	if !item.PublishedParsed.Equal(second.Ended.Truncate(time.Second)) || item.Enclosures[0].Length != "6" || item.ITunesExt.Duration != "2" || item.GUID != second.ID+"/1" {
		t.Errorf("the item is %+v", item)
	}
	audio := local(t, item.Enclosures[0].URL)
	part := f.do("", http.MethodGet, audio, nil, "Range", "bytes=3-5").want(t, http.StatusPartialContent)
	if string(part.body) != "MP3" || part.header.Get("Content-Type") != "audio/mpeg" {
		t.Errorf("got %q with %v", part.body, part.header)
	}
	f.do("", http.MethodHead, audio, nil).want(t, http.StatusOK)
	// Cookies and tokens change nothing.
	a := f.do(bob, http.MethodGet, made.Path, nil, "Cookie", "sx-session-1=x", "Sec-Fetch-Site", "cross-site").want(t, http.StatusOK)
	for name, want := range map[string]string{
		"Content-Type": "application/rss+xml; charset=utf-8", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache",
		"X-Robots-Tag": "noindex, nofollow", "X-Content-Type-Options": "nosniff", "Set-Cookie": "",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	refused := func(what string, paths ...string) {
		t.Helper()
		for _, path := range paths {
			if got := f.do("", http.MethodGet, path, nil); got.status != http.StatusNotFound {
				t.Errorf("%s: %s answers %d", what, path, got.status)
			}
		}
	}
	all := []string{made.Path, audio, local(t, item.ITunesExt.Image), local(t, feed.ITunesExt.Image), strings.Replace(audio, "audio.mp3", "chapters.json", 1)}
	for _, path := range all {
		f.do("", http.MethodGet, path, nil).want(t, http.StatusOK)
		refused("another secret", strings.Replace(path, secret, token.NewSecret(api.FeedPrefix, fiona), 1))
		refused("another owner", strings.Replace(path, secret, token.NewSecret(api.FeedPrefix, sx.NewID()), 1))
		refused("a link", strings.Replace(path, secret, token.NewSecret(api.SharePrefix, second.ID), 1))
		refused("no secret", strings.Replace(path, secret, "sxf_", 1))
	}
	refused("another's MP3", strings.Replace(audio, second.ID, foreign.ID, 1))
	refused("no MP3", strings.Replace(audio, "/1/", "/2/", 1), strings.Replace(audio, second.ID, "none", 1))
	f.do(secret, http.MethodGet, api.PathJobs, nil).want(t, http.StatusUnauthorized)

	disabled.Store(true)
	refused("while the account is disabled", all...)
	disabled.Store(false)
	f.do(fiona, http.MethodDelete, jobPath(api.PathJob, second.ID), nil).want(t, http.StatusNoContent)
	if got := titles(f.read(made.Path)); got != "first" {
		t.Errorf("after the removal of a job, the feed has %q", got)
	}
	refused("a removed job", audio)

	revoke := strings.Replace(api.PathFeed, "{id}", made.ID, 1)
	f.do(bob, http.MethodDelete, revoke, nil).wantCode(t, sx.CodeNotFound)
	f.do(fiona, http.MethodDelete, revoke, nil).want(t, http.StatusNoContent)
	f.do(fiona, http.MethodDelete, revoke, nil).wantCode(t, sx.CodeNotFound)
	refused("a revoked feed", made.Path, strings.Replace(audio, second.ID, first.ID, 1))
	again := f.feed(api.NewFeed{Name: "Staff talks"})
	after := f.read(again.Path)
	if again.Path == made.Path || guid(feed) == "" || guid(after) != guid(feed) || after.Items[0].GUID != first.ID+"/1" {
		t.Errorf("created again at %s, with the GUIDs %s and %s", again.Path, guid(after), guid(feed))
	}
	if other := f.read(f.feed(api.NewFeed{Name: "other"}).Path); guid(other) == guid(feed) {
		t.Errorf("two feeds have the GUID %s", guid(feed))
	}
	if logs := f.logs.String(); regexp.MustCompile(`sxf_[a-z2-7]`).MatchString(logs) || !strings.Contains(logs, "path=/f/sxf_…") {
		t.Error("the log has the secret of a feed, or no request of one")
	}
}

func guid(feed *gofeed.Feed) string { return feed.Extensions["podcast"]["guid"][0].Value }

// TestFeeds checks what a user can create and list.
func TestFeeds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withFeeds(t, new(atomic.Bool)))
	for _, in := range []api.NewFeed{
		{Server: publicURL},
		{Name: strings.Repeat("n", 101), Server: publicURL},
		{Name: "a\nb", Server: publicURL},
		{Name: "\x00", Server: publicURL},
		{Name: "a", Label: "a,b", Server: publicURL},
		{Name: "a", Folder: "/etc", Server: publicURL},
		{Name: "a", Folder: "a/../b", Server: publicURL},
		{Name: "a"},
		{Name: "a", Server: "sx.example.org"},
		{Name: "a", Server: "ftp://sx.example.org"},
		{Name: "a", Server: "https://u:p@sx.example.org"},
		{Name: "a", Server: "https://sx.example.org/?"},
		{Name: "a", Server: "https://sx.example.org/#a"},
		{Name: "a", Server: "https://" + strings.Repeat("a", 500)},
	} {
		f.post(fiona, api.PathFeeds, in).wantCode(t, sx.CodeInvalid)
	}
	list := func(user string) []api.Feed {
		t.Helper()
		return decode[api.FeedList](t, f.do(user, http.MethodGet, api.PathFeeds, nil).want(t, http.StatusOK)).Feeds
	}
	if got := list(fiona); got == nil || len(got) > 0 {
		t.Errorf("feeds %v, want an empty list", got)
	}
	for i := range sx.MaxFeeds {
		f.feed(api.NewFeed{Name: fmt.Sprint("feed ", i), Label: "talks", Folder: "talks/2026/"})
	}
	f.post(fiona, api.PathFeeds, api.NewFeed{Name: "feed 0", Server: publicURL}).wantCode(t, sx.CodeConflict)
	f.post(fiona, api.PathFeeds, api.NewFeed{Name: "one more", Server: publicURL}).wantCode(t, sx.CodeConflict)
	if got := list(fiona); len(got) != sx.MaxFeeds || got[0].Name != "feed 0" || got[0].Label != "talks" || got[0].Folder != "talks/2026" || got[0].ID == got[1].ID {
		t.Errorf("feeds %+v", got)
	}
	if got := list(bob); len(got) > 0 {
		t.Errorf("bob sees %+v", got)
	}
}

// TestFeedSelection checks that MP3s appear and disappear by label and by folder, and that the
// newest ones are listed.
func TestFeedSelection(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withFeeds(t, new(atomic.Bool)))
	a := f.done(fiona, "talks/2026/a.mp4", 1)
	f.clock.Advance(time.Second)
	b := f.done(fiona, "more talks/2026/b.mp4", 2)
	labelled := f.feed(api.NewFeed{Name: "by label", Label: "public"})
	folder := f.feed(api.NewFeed{Name: "by folder", Folder: "talks"})
	both := f.feed(api.NewFeed{Name: "by both", Folder: "talks/2026", Label: "public"})
	want := func(made api.CreatedFeed, titled string) {
		t.Helper()
		if got := titles(f.read(made.Path)); got != titled {
			t.Errorf("%s has %q, want %q", made.Name, got, titled)
		}
	}
	want(labelled, "")
	want(folder, "a")
	want(both, "")
	for _, id := range []string{a.ID, b.ID} {
		f.do(fiona, http.MethodPatch, jobPath(api.PathJob, id), strings.NewReader(`{"add_labels":["public"]}`), "Content-Type", "application/json").want(t, http.StatusOK)
	}
	want(labelled, "b a")
	want(both, "a")
	audio := local(t, f.read(folder.Path).Items[0].Enclosures[0].URL)
	f.do("", http.MethodGet, audio, nil).want(t, http.StatusOK)
	f.do("", http.MethodGet, strings.Replace(audio, a.ID, b.ID, 1), nil).wantCode(t, sx.CodeNotFound)

	f.change(b.ID, func(j *sx.Job) error {
		for i := range sx.MaxFeedItems + 1 { // listed as tracks of one job, which need no files
			track := j.Tracks[0]
			track.Number, track.Title = i+1, fmt.Sprint(i+1)
			j.Tracks = append(j.Tracks[:i:i], track)
			j.Tracks = append(j.Tracks, j.Tracks[0])
		}
		j.Tracks = j.Tracks[:sx.MaxFeedItems+1]
		return nil
	})
	if got := f.read(labelled.Path).Items; len(got) != sx.MaxFeedItems || got[0].Title != "1" || got[sx.MaxFeedItems-1].Title != "100" ||
		got[99].PublishedParsed.Sub(*got[0].PublishedParsed) != 99*time.Second {
		t.Errorf("%d items", len(got))
	}
}

// TestFeedConditional checks that an app learns cheaply that nothing has changed.
func TestFeedConditional(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withFeeds(t, new(atomic.Bool)))
	made := f.feed(api.NewFeed{Name: "talks"})
	f.clock.Advance(time.Hour)
	f.done(fiona, "a.mp4", 1)
	get := func(status int, headers ...string) answer {
		t.Helper()
		return f.do("", http.MethodGet, made.Path, nil, headers...).want(t, status)
	}
	before := get(http.StatusOK).header
	if before.Get("ETag") == "" || before.Get("Last-Modified") != f.clock.Now().UTC().Format(http.TimeFormat) {
		t.Errorf("the feed has %v", before)
	}
	for _, headers := range [][]string{{"If-None-Match", before.Get("ETag")}, {"If-Modified-Since", before.Get("Last-Modified")}} {
		if a := get(http.StatusNotModified, headers...); len(a.body) > 0 || a.header.Get("ETag") != before.Get("ETag") {
			t.Errorf("%v: %d bytes with %v", headers, len(a.body), a.header)
		}
	}
	f.clock.Advance(time.Hour)
	f.done(fiona, "b.mp4", 2)
	get(http.StatusOK, "If-None-Match", before.Get("ETag"))
	after := get(http.StatusOK, "If-Modified-Since", before.Get("Last-Modified")).header
	if after.Get("ETag") == before.Get("ETag") || after.Get("Last-Modified") == before.Get("Last-Modified") {
		t.Errorf("after another MP3: %v", after)
	}
	other := f.feed(api.NewFeed{Name: "other"})
	n := 0
	for ; n < 200 && f.do("", http.MethodGet, made.Path, nil).status == http.StatusOK; n++ {
	}
	if n == 0 || n == 200 || get(http.StatusTooManyRequests).header.Get("Retry-After") == "" {
		t.Errorf("%d requests in a moment", n)
	}
	f.read(other.Path)
}

// TestFeedParts checks the chapters and pictures that a feed refers to.
func TestFeedParts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withFeeds(t, new(atomic.Bool)))
	var cover bytes.Buffer
	if err := png.Encode(&cover, image.NewGray(image.Rect(0, 0, 3, 3))); err != nil {
		t.Fatal(err)
	}
	tag, _ := id3.Build(id3.Source{
		Cover: cover.Bytes(), Duration: time.Minute,
		Chapters: []id3.Chapter{{Start: 20500 * time.Millisecond, Title: "Fragen & Antworten 😀"}, {Title: "Anfang"}},
	}, false)
	rich := f.upload(fiona, "rich.mp4", video(1, 5000))
	f.convert(rich, append(tag, "frames"...))
	f.clock.Advance(time.Second)
	f.done(fiona, "plain.mp4", 2)
	feed := f.read(f.feed(api.NewFeed{Name: "talks"}).Path)
	if got := titles(feed); got != "plain rich" {
		t.Fatalf("the feed has %q", got)
	}
	part := func(address, kind string) []byte {
		t.Helper()
		a := f.do("", http.MethodGet, local(t, address), nil).want(t, http.StatusOK)
		if a.header.Get("Content-Type") != kind || a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s has %v", address, a.header)
		}
		f.do("", http.MethodGet, local(t, address), nil, "If-None-Match", a.header.Get("ETag")).want(t, http.StatusNotModified)
		return a.body
	}
	chapters := func(i int) string {
		return feed.Items[i].Extensions["podcast"]["chapters"][0].Attrs["url"]
	}
	const want = `{"version":"1.2.0","chapters":[{"startTime":0,"endTime":20.5,"title":"Anfang"},{"startTime":20.5,"endTime":60,"title":"Fragen \u0026 Antworten 😀"}]}`
	if got := string(part(chapters(1), "application/json+chapters")); got != want {
		t.Errorf("the chapters are %s", got)
	}
	if got := string(part(chapters(0), "application/json+chapters")); got != `{"version":"1.2.0","chapters":[]}` {
		t.Errorf("without chapters: %s", got)
	}
	artwork := part(feed.ITunesExt.Image, "image/png")
	if got := part(feed.Items[1].ITunesExt.Image, "image/png"); !bytes.Equal(got, cover.Bytes()) {
		t.Errorf("the cover has %d bytes, want %d", len(got), cover.Len())
	}
	few := f.do("", http.MethodGet, local(t, feed.Items[1].ITunesExt.Image), nil, "Range", "bytes=4-9").want(t, http.StatusPartialContent)
	if !bytes.Equal(few.body, cover.Bytes()[4:10]) {
		t.Errorf("six bytes of the cover are %q", few.body)
	}
	many := f.do("", http.MethodGet, local(t, feed.Items[1].ITunesExt.Image), nil, "Range", "bytes="+strings.Repeat("0-0,", 100)+"0-0").want(t, http.StatusOK)
	if !bytes.Equal(many.body, cover.Bytes()) {
		t.Errorf("101 ranges of the cover have %d bytes", len(many.body))
	}
	if got := part(feed.Items[0].ITunesExt.Image, "image/png"); !bytes.Equal(got, artwork) {
		t.Errorf("without a cover: %d bytes, want %d", len(got), len(artwork))
	}
	// Artwork is square, PNG or JPEG, of 1400 to 3000 pixels (Apple Podcasts, "Artwork requirements").
	if size, kind, err := image.DecodeConfig(bytes.NewReader(artwork)); err != nil || kind != "png" || size.Width != size.Height || size.Width < 1400 || size.Width > 3000 || len(artwork) > 50_000 {
		t.Errorf("the artwork is %s of %+v with %d bytes, %v", kind, size, len(artwork), err)
	}
}

// TestSlowReadersOfCovers has clients that request a large cover and do not read it.
func TestSlowReadersOfCovers(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	f := newFixture(t, withFeeds(t, new(atomic.Bool)))
	var cover bytes.Buffer
	if err := png.Encode(&cover, image.NewGray(image.Rect(0, 0, 3, 3))); err != nil {
		t.Fatal(err)
	}
	cover.Write(make([]byte, 15<<20)) // after the end of the picture
	tag, warnings := id3.Build(id3.Source{Cover: cover.Bytes()}, false)
	if len(warnings) > 0 {
		t.Fatal(warnings)
	}
	f.convert(f.upload(fiona, "rich.mp4", video(1, 5000)), append(tag, "frames"...))
	path := local(t, f.read(f.feed(api.NewFeed{Name: "talks"}).Path).Items[0].ITunesExt.Image)
	used := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := used() // with the tag
	for range 20 {
		c, err := net.Dial("tcp", f.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: sx\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 100)); err != nil { // the response has begun
			t.Fatal(err)
		}
	}
	if after := used(); after > before+100<<20 {
		t.Errorf("20 clients that do not read use %d MiB", (after-before)>>20)
	}
	runtime.KeepAlive(tag)
}

// countedOpens counts how many MP3s are being opened.
type countedOpens struct {
	store.Tracks
	goOn chan struct{}

	mu            sync.Mutex
	running, most int
}

func (c *countedOpens) Open(ctx context.Context, id string) (store.Blob, error) {
	c.mu.Lock()
	c.running++
	c.most = max(c.most, c.running)
	c.mu.Unlock()
	<-c.goOn
	c.mu.Lock()
	c.running--
	c.mu.Unlock()
	return c.Tracks.Open(ctx, id)
}

// TestCoversTakeTurns requests the cover of one feed many times: the tags of other accounts
// can be read meanwhile.
func TestCoversTakeTurns(t *testing.T) {
	t.Parallel()
	opens := &countedOpens{goOn: make(chan struct{})}
	f := newFixture(t, func(cfg *gateway.Config) {
		withFeeds(t, new(atomic.Bool))(cfg)
		opens.Tracks, cfg.Tracks = cfg.Tracks, opens
	})
	f.convert(f.upload(fiona, "rich.mp4", video(1, 5000)), tagged("A"))
	path := local(t, f.read(f.feed(api.NewFeed{Name: "talks"}).Path).Items[0].ITunesExt.Image)
	var covers sync.WaitGroup
	for range 10 {
		covers.Go(func() {
			if a, err := f.send("", http.MethodGet, path, nil); err != nil || a.status != http.StatusOK {
				t.Errorf("a cover: %d %s, %v", a.status, a.body, err)
			}
		})
	}
	// More would be under way by now, if they could be.
	for range 20 {
		f.do(fiona, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK)
	}
	close(opens.goOn)
	covers.Wait()
	if opens.most != 1 {
		t.Errorf("%d tags were read at the same time, want 1", opens.most)
	}
}

// TestFeedIsKept checks that retention does not delete what a feed shows, until it no
// longer does.
func TestFeedIsKept(t *testing.T) {
	t.Parallel()
	auth := withFeeds(t, new(atomic.Bool))
	kept := func(c *gateway.Config) {
		auth(c)
		c.Retention = sx.Retention{Videos: day, Tracks: 2 * day}
	}
	onBothStores(t, kept, func(t *testing.T, f *fixture) {
		shown, plain := f.done(fiona, "talks/a.mp4", 1), f.done(fiona, "b.mp4", 2)
		announced := f.done(fiona, "talks/c.mp4", 3)
		f.change(announced.ID, func(j *sx.Job) error { j.Announced, j.Check = f.clock.Now().Add(day), f.clock.Now(); return nil })
		made := f.feed(api.NewFeed{Name: "talks", Folder: "talks"})
		deleted := func(id string) *time.Time {
			return decode[api.Job](t, f.do(fiona, http.MethodGet, jobPath(api.PathJob, id), nil).want(t, http.StatusOK)).DeleteAt
		}
		if deleted(shown.ID) != nil || deleted(plain.ID) == nil {
			t.Errorf("the jobs are deleted at %v and %v", deleted(shown.ID), deleted(plain.ID))
		}
		f.clock.Advance(4 * day)
		f.until(kept, "the videos are deleted", func() bool { return f.job(plain.ID).VideoDeleted && f.job(shown.ID).VideoDeleted })
		f.clock.Advance(time.Minute)
		f.until(kept, "the announcement of the other", func() bool { return f.job(plain.ID).Notification == sx.NotificationDeletion })
		if got := f.job(shown.ID); !got.Announced.IsZero() || len(got.Tracks) != 1 {
			t.Errorf("the job in the feed is %+v", got)
		}
		f.until(kept, "the announced deletion is withdrawn", func() bool { return f.job(announced.ID).Announced.IsZero() })
		f.do(fiona, http.MethodDelete, strings.Replace(api.PathFeed, "{id}", made.ID, 1), nil).want(t, http.StatusNoContent)
		if deleted(shown.ID) == nil {
			t.Error("without the feed, the job is not deleted")
		}
		f.clock.Advance(2 * time.Hour)
		f.until(kept, "the review of what is kept", func() bool { return !f.job(announced.ID).Check.IsZero() })
		f.clock.Advance(time.Minute)
		f.until(kept, "the announcement without the feed", func() bool { return f.job(announced.ID).Notification == sx.NotificationDeletion })
	})
}
