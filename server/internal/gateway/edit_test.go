package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// frames is the audio of an MP3, as far as an edit is concerned.
var frames = bytes.Repeat([]byte("\xff\xfb\x90\x64frame"), 30_000)

func tagged(title string) []byte {
	tag, _ := id3.Build(id3.Source{Tags: []map[string]string{{"title": title, "genre": "Speech"}}}, false)
	return append(tag, frames...)
}

func (f *fixture) edit(user, id, body string) answer {
	f.t.Helper()
	return f.do(user, http.MethodPatch, jobPath(api.PathJob, id), strings.NewReader(body), "Content-Type", "application/json")
}

func (f *fixture) tracks() []string {
	f.t.Helper()
	ids, _, err := f.store.Tracks.List(context.Background(), "", 100)
	if err != nil {
		f.t.Fatal(err)
	}
	return ids
}

// download checks the MP3 against the job, and returns its tag.
func (f *fixture) download(user string, j api.Job) id3.Texts {
	f.t.Helper()
	a := f.do(user, http.MethodGet, jobPath(api.PathTrack, j.ID), nil).want(f.t, http.StatusOK)
	track := j.Tracks[0]
	if digest(a.body) != track.SHA256 || int64(len(a.body)) != track.Size || a.header.Get("ETag") != `"`+track.SHA256+`"` {
		f.t.Errorf("got %d bytes with digest %s, the job says %+v", len(a.body), digest(a.body), track)
	}
	n := id3.Size(a.body)
	if !bytes.Equal(a.body[n:], frames) {
		f.t.Error("the audio has changed")
	}
	texts := id3.Main(a.body[:n])
	if got := (id3.Texts{Title: track.Title, Artist: track.Artist, Album: track.Album}); got != texts {
		f.t.Errorf("the MP3 has %+v, the job says %+v", texts, got)
	}
	return texts
}

func TestEdit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(3, 5000)
	id := f.upload(alice, "a.mp4", data)
	f.edit(alice, id, `{"title":"x"}`).wantCode(t, sx.CodeConflict)
	first := f.convert(id, tagged("A"))

	j := decode[api.Job](t, f.edit(alice, id, `{"title":"B\u202e\n","artist":"C","add_labels":["x","y"]}`).want(t, http.StatusOK))
	if got := f.download(alice, j); got != (id3.Texts{Title: "B", Artist: "C"}) {
		t.Errorf("the MP3 has %+v", got)
	}
	if j.Tracks[0].SHA256 == first.Tracks[0].SHA256 || j.Tracks[0].Name != "a.mp3" || j.Tracks[0].Duration != 1.5 {
		t.Errorf("the track is %+v", j.Tracks[0])
	}
	if got := f.tracks(); len(got) != 1 {
		t.Errorf("stored are %v", got)
	}
	// What was made from the source is the edited MP3, even after the job is gone.
	want := []api.ConvertedTrack{{Number: 1, Size: j.Tracks[0].Size, SHA256: j.Tracks[0].SHA256}}
	if got := f.lookUp(alice, "file1:"+digest(data), api.Options{}); !reflect.DeepEqual(got.Tracks, want) {
		t.Errorf("the source gave %+v", got)
	}

	j = decode[api.Job](t, f.edit(alice, id, `{"title":"","album":"D","remove_labels":["x","z"],"add_labels":["y"]}`).want(t, http.StatusOK))
	if got := f.download(alice, j); got != (id3.Texts{Artist: "C", Album: "D"}) || !slices.Equal(j.Labels, []string{"y"}) {
		t.Errorf("the MP3 has %+v, the labels are %v", got, j.Labels)
	}
	before := j.Tracks
	j = decode[api.Job](t, f.edit(alice, id, `{"remove_labels":["y"]}`).want(t, http.StatusOK))
	if !reflect.DeepEqual(j.Tracks, before) || len(j.Labels) > 0 {
		t.Errorf("after a change of labels: %+v", j)
	}
	f.do(alice, http.MethodDelete, jobPath(api.PathJob, id), nil).want(t, http.StatusNoContent)
	if got := f.tracks(); len(got) > 0 {
		t.Errorf("stored are %v", got)
	}
}

func TestEditOfSeveral(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	id := f.upload(alice, "a.mp4", video(3, 5000))
	f.convert(id, tagged("A"), tagged("B"), tagged("C"))
	f.edit(alice, id, `{"title":"x"}`).wantCode(t, sx.CodeInvalid)
	f.edit(alice, id, `{"title":"x","number":4}`).wantCode(t, sx.CodeNotFound)
	f.edit(alice, id, `{"title":"x","number":-1}`).wantCode(t, sx.CodeNotFound)
	f.edit(alice, id, `{"artist":"ada","album":"Talks","add_labels":["x"]}`).want(t, http.StatusOK)
	j := decode[api.Job](t, f.edit(alice, id, `{"title":"The second","number":2}`).want(t, http.StatusOK))
	for i, title := range []string{"", "The second", ""} {
		a := f.do(alice, http.MethodGet, strings.NewReplacer("{id}", id, "{number}", strconv.Itoa(i+1)).Replace(api.PathTrack), nil).want(t, http.StatusOK)
		texts := id3.Main(a.body[:id3.Size(a.body)])
		if title == "" {
			title = string(rune('A' + i))
		}
		want := id3.Texts{Title: title, Artist: "ada", Album: "Talks"}
		if texts != want || digest(a.body) != j.Tracks[i].SHA256 || j.Tracks[i].Title != title || j.Tracks[i].Number != i+1 {
			t.Errorf("MP3 %d has %+v, the job says %+v", i+1, texts, j.Tracks[i])
		}
	}
	if got := f.tracks(); len(got) != 3 {
		t.Errorf("stored are %v", got)
	}
}

func TestWrongEdits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	id := f.upload(alice, "a.mp4", video(3, 5000))
	f.convert(id, tagged("A"))
	before := f.job(id)
	for _, body := range []string{
		`{"title":"` + strings.Repeat("x", 1001) + `"}`, `{"title":"B","add_labels":["a,b"]}`, `{"name":"b.mp4"}`, `{"title":7}`,
		`{"add_labels":["` + strings.Join(strings.Split("abcdefghijklmnopqrstu", ""), `","`) + `"]}`,
	} {
		f.edit(alice, id, body).wantCode(t, sx.CodeInvalid)
	}
	f.edit(bob, id, `{"title":"B"}`).wantCode(t, sx.CodeNotFound)
	if after := f.job(id); !reflect.DeepEqual(before, after) {
		t.Errorf("the job is %+v", after)
	}
}

// TestEditsAtOnce checks that of several edits at the same time, each takes effect
// completely or is refused.
func TestEditsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	id := f.upload(alice, "a.mp4", video(3, 5000))
	f.convert(id, tagged("A"))
	var wg sync.WaitGroup
	answers := make([]answer, 8)
	for i := range answers {
		wg.Go(func() {
			answers[i], _ = f.send(alice, http.MethodPatch, jobPath(api.PathJob, id), strings.NewReader(`{"title":"`+string(rune('a'+i))+`"}`),
				"Content-Type", "application/json")
		})
	}
	wg.Wait()
	var titles []string
	for i, a := range answers {
		switch a.status {
		case http.StatusOK:
			titles = append(titles, string(rune('a'+i)))
		case http.StatusConflict:
		default:
			t.Errorf("status %d: %s", a.status, a.body)
		}
	}
	j := decode[api.Job](t, f.do(alice, http.MethodGet, jobPath(api.PathJob, id), nil).want(t, http.StatusOK))
	if got := f.download(alice, j); !slices.Contains(titles, got.Title) || len(f.tracks()) != 1 {
		t.Errorf("the MP3 has %+v after %v, stored are %v", got, titles, f.tracks())
	}
}

// slowTracks calls hook when a track is opened.
type slowTracks struct {
	store.Tracks
	hook func()
}

func (s *slowTracks) Open(ctx context.Context, id string) (store.Blob, error) {
	if hook := s.hook; hook != nil {
		s.hook = nil
		hook()
	}
	return s.Tracks.Open(ctx, id)
}

// countedPuts counts how many tracks are stored at the same time. Each waits until it may go on.
type countedPuts struct {
	store.Tracks
	goOn chan struct{}

	mu            sync.Mutex
	running, most int
}

func (c *countedPuts) Put(ctx context.Context, id, name string, head store.Head, body io.Reader) (store.Digest, error) {
	c.mu.Lock()
	c.running++
	c.most = max(c.most, c.running)
	c.mu.Unlock()
	<-c.goOn
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running--
	}()
	return c.Tracks.Put(ctx, id, name, head, body)
}

// TestEditsTakeTurns edits several MP3s of one account, and of many accounts, at the same
// time: each is in memory and needs storage for a copy.
func TestEditsTakeTurns(t *testing.T) {
	t.Parallel()
	for accounts, want := range map[int]int{1: 1, 10: 4} {
		puts := &countedPuts{goOn: make(chan struct{})}
		f := newFixture(t, func(cfg *gateway.Config) {
			puts.Tracks, cfg.Tracks = cfg.Tracks, puts
			cfg.Verify = func(_ context.Context, raw string) (token.Claims, error) {
				return token.Claims{UserID: raw, Expires: cfg.Now().Add(token.Lifetime)}, nil
			}
		})
		var edits sync.WaitGroup
		for i := range 10 {
			user := "user" + strconv.Itoa(i%accounts)
			id := f.upload(user, "a.mp4", video(3, 5000))
			f.convert(id, tagged("A"))
			edits.Go(func() {
				a, err := f.send(user, http.MethodPatch, jobPath(api.PathJob, id), strings.NewReader(`{"title":"B"}`), "Content-Type", "application/json")
				if err != nil || a.status != http.StatusOK {
					t.Errorf("an edit: %d %s, %v", a.status, a.body, err)
				}
			})
		}
		// More would be under way by now, if they could be.
		for range 20 {
			f.do("user0", http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK)
		}
		close(puts.goOn)
		edits.Wait()
		if puts.most != want {
			t.Errorf("%d accounts: %d edits at the same time, want %d", accounts, puts.most, want)
		}
	}
}

// TestEditDuringEdit checks an edit whose track is replaced between reading the job
// and opening the track.
func TestEditDuringEdit(t *testing.T) {
	t.Parallel()
	slow := &slowTracks{}
	f := newFixture(t, func(cfg *gateway.Config) { slow.Tracks, cfg.Tracks = cfg.Tracks, slow })
	id := f.upload(alice, "a.mp4", video(3, 5000))
	f.convert(id, tagged("A"))
	other := newFixtureLike(t, f) // edits of one gateway take turns
	slow.hook = func() { other.edit(alice, id, `{"title":"B"}`).want(t, http.StatusOK) }
	f.edit(alice, id, `{"title":"C"}`).wantCode(t, sx.CodeConflict)
	j := decode[api.Job](t, f.do(alice, http.MethodGet, jobPath(api.PathJob, id), nil).want(t, http.StatusOK))
	if got := f.download(alice, j); got.Title != "B" || len(f.tracks()) != 1 {
		t.Errorf("the MP3 has %+v, stored are %v", got, f.tracks())
	}
}

// TestDownloadDuringEdit checks a download whose track is replaced between reading the
// job and opening the track, and one that is under way.
func TestDownloadDuringEdit(t *testing.T) {
	t.Parallel()
	slow := &slowTracks{}
	f := newFixture(t, func(cfg *gateway.Config) { slow.Tracks, cfg.Tracks = cfg.Tracks, slow })
	id := f.upload(alice, "a.mp4", video(3, 5000))
	f.convert(id, tagged("A"))
	slow.hook = func() { f.edit(alice, id, `{"title":"B"}`).want(t, http.StatusOK) }
	a := f.do(alice, http.MethodGet, jobPath(api.PathTrack, id), nil).want(t, http.StatusOK)
	if title := id3.Main(a.body[:id3.Size(a.body)]).Title; title != "B" || a.header.Get("ETag") != `"`+digest(a.body)+`"` {
		t.Errorf("got the title %s with ETag %s", title, a.header.Get("ETag"))
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL+jobPath(api.PathTrack, id), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+alice)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got := make([]byte, 1000)
	if _, err := io.ReadFull(res.Body, got); err != nil {
		t.Fatal(err)
	}
	f.edit(alice, id, `{"title":"C"}`).want(t, http.StatusOK)
	rest, err := io.ReadAll(res.Body)
	if got = append(got, rest...); err != nil || !bytes.Equal(got, a.body) {
		t.Errorf("%d bytes of %d, %v", len(got), len(a.body), err)
	}
	part := f.do(alice, http.MethodGet, jobPath(api.PathTrack, id), nil, "Range", "bytes=1000-", "If-Range", a.header.Get("ETag"))
	if part.want(t, http.StatusOK); id3.Main(part.body[:id3.Size(part.body)]).Title != "C" {
		t.Error("the rest of another MP3 was sent")
	}
}
