package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestStoreUnavailable closes the gateway's store: every route returns an API
// error, and the background work keeps retrying.
func TestStoreUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(60, 5000)
	uploading, queued := idOf(f.create(alice, "a.mp4", len(data))), f.upload(alice, "b.mp4", data)
	s := f.watch(alice, "", queued)
	s.wantJob(queued, sx.StateQueued)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.bus.Close(); err != nil {
		t.Fatal(err)
	}
	f.run()
	for _, r := range f.gw.Routes() {
		if isProxied(r) || r.Pattern == api.PathOpenAPI || r.Method == http.MethodOptions {
			continue
		}
		path := jobPath(strings.TrimSuffix(r.Pattern, "{$}"), uploading)
		query, kind, body := "?id="+queued, octets, ""
		switch {
		case r.Pattern == api.PathLookup:
			kind, body = "application/json", `{"items":[{"identity":"file1:`+digest(nil)+`","options":{}}]}`
		case r.Pattern == api.PathFeeds && r.Method == http.MethodPost:
			kind, body = "application/json", `{"name":"Talks","server":"http://sx.example"}`
		case r.Pattern == api.PathJobs && r.Method == http.MethodPost:
			query, body = "?filename=c.mp4", string(data)
		}
		a := f.do(alice, r.Method, path+query, strings.NewReader(body), "Tus-Resumable", "1.0.0", "Content-Type", kind,
			"Upload-Offset", "0", "Upload-Length", "9", "Upload-Metadata", meta("filename", "a.mp4"))
		if a.status < http.StatusInternalServerError {
			t.Errorf("%s %s returns %d without a store", r.Method, path, a.status)
		}
		if r.Method != http.MethodHead {
			a.wantCode(t, a.errorBody(t).Code)
		}
	}
	for _, line := range []string{
		"reconciling uploads failed", "periodic task failed", "receiving announcements failed",
	} {
		testkit.Eventually(f.t, line, func() bool { return strings.Contains(f.logs.String(), line) })
	}
	for e := range s.events { // the open stream still sends keep-alives
		if e.Type == "" {
			break
		}
		t.Errorf("got %+v", e)
	}
}

func TestLostBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ctx := context.Background()
	id := idOf(f.create(alice, "a.mp4", 5000))
	if err := f.store.Videos.Remove(ctx, id); err != nil {
		t.Fatal(err)
	}
	f.patch(alice, api.PathUploads+id, 0, video(61, 5000)).wantCode(t, sx.CodeUploadExpired)
	f.do(alice, http.MethodGet, jobPath(api.PathJob, id), nil).want(t, http.StatusOK)
	f.clock.Advance(time.Minute) // it is not being created any more
	newFixtureLike(t, f).run()
	testkit.Eventually(f.t, "expiry", func() bool { return f.job(id).State == sx.StateExpired })

	done := f.upload(alice, "b.mp4", video(62, 5000))
	track := f.convert(done, []byte("mp3")).Track(1).ID
	if err := f.store.Tracks.Remove(ctx, track); err != nil {
		t.Fatal(err)
	}
	f.do(alice, http.MethodGet, jobPath(api.PathTrack, done), nil).wantCode(t, sx.CodeNotFound)
}

func TestSweepFileWithoutRecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	file := filepath.Join(f.dir, "videos", "re", "rest")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("of a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, round := context.Background(), gateway.NewSweep(f.gw, 10)
	for sweep, want := range []int{1, 0} { // at the first sweep, its record might still be about to be stored
		next, err := round(ctx, "")
		for err == nil && next != "" {
			next, err = round(ctx, next)
		}
		if got := f.videos(); err != nil || len(got) != want {
			t.Errorf("videos %v after sweep %d, %v; want %d", got, sweep+1, err, want)
		}
	}
}

// TestSweepForgetsSuspects checks that what another gateway has removed does not fill the
// list of suspects for ever.
func TestSweepForgetsSuspects(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	a, b := gateway.NewSweep(f.gw, 10), gateway.NewSweep(newFixtureLike(t, f).gw, 10)
	plant := func(ids ...string) {
		for _, id := range ids {
			dir := filepath.Join(f.dir, "videos", id[:2])
			if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, id), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	pass := func(round func(ctx context.Context, cursor string) (next string, err error)) {
		if next, err := round(t.Context(), ""); err != nil || next != "" {
			t.Fatalf("the next page is %q, %v", next, err)
		}
	}
	plant("a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9")
	pass(a)
	pass(b)
	pass(b)
	if got := f.videos(); len(got) != 0 {
		t.Fatalf("%v are left", got)
	}
	plant("b0")
	for range 3 {
		pass(a)
	}
	if got := f.videos(); len(got) != 0 {
		t.Errorf("%v is never removed", got)
	}
}

// TestSweepAfterAWrongClock sweeps a video that was created while the clock was ahead.
func TestSweepAfterAWrongClock(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	if err := f.store.Videos.Create(t.Context(), "orphan", "x.mp4", 1); err != nil {
		t.Fatal(err)
	}
	f.clock.Set(f.clock.Now().AddDate(-1, 0, 0))
	round := gateway.NewSweep(f.gw, 10)
	for sweep, want := range []int{1, 0} { // its job might still be about to be stored
		if _, err := round(t.Context(), ""); err != nil || len(f.videos()) != want {
			t.Errorf("videos %v after sweep %d, %v; want %d", f.videos(), sweep+1, err, want)
		}
	}
}

// stuckVideos cannot remove one of the videos.
type stuckVideos struct {
	store.Videos
	id string
}

func (v stuckVideos) Remove(ctx context.Context, id string) error {
	if id == v.id {
		return errors.New("the file cannot be removed")
	}
	return v.Videos.Remove(ctx, id)
}

func TestSweepGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *gateway.Config) { c.Videos = stuckVideos{c.Videos, "a"} })
	for _, id := range []string{"a", "b"} {
		if err := f.store.Videos.Create(t.Context(), id, "x.mp4", 1); err != nil {
			t.Fatal(err)
		}
	}
	f.clock.Advance(2 * time.Hour)
	next, err := gateway.NewSweep(f.gw, 10)(t.Context(), "")
	if got := f.videos(); err != nil || next != "" || !slices.Equal(got, []string{"a"}) {
		t.Errorf("videos %v after a pass up to %q, %v; want only the one that cannot be removed", got, next, err)
	}
	if !strings.Contains(f.logs.String(), "the file cannot be removed") {
		t.Errorf("the failure is not logged:\n%s", f.logs)
	}
}

func TestHeadReturnsTheMetadata(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, pairs := range [][]string{
		{"bitrate", "128", "filename", "a.mp4", "mono", "true", "track", "eng", "keep_all_tags", "true"},
		{"filename", "a.mp4", "preset", "small", "quality", "0", "title", "A", "artist", "B", "album", "C", "labels", "x,y"},
		{"filename", "a.mp4", "audio_only", "true", "source_size", "70000", "identity", "audio1"},
	} {
		a := f.do(alice, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0",
			"Upload-Length", "5000", "Upload-Metadata", meta(pairs...)).want(t, http.StatusCreated)
		head := f.do(alice, http.MethodHead, a.header.Get("Location"), nil, "Tus-Resumable", "1.0.0")
		got := strings.Split(head.header.Get("Upload-Metadata"), ",")
		if len(got) != len(pairs)/2 {
			t.Errorf("got %v", got)
		}
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(strings.Join(got, ","), meta(pairs[i], pairs[i+1])) {
				t.Errorf("%v lacks %s", got, pairs[i])
			}
		}
	}
}
