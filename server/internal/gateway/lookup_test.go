package gateway_test

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// lookUp returns what is known about one source.
func (f *fixture) lookUp(user, identity string, o api.Options) api.Conversion {
	f.t.Helper()
	raw, err := json.Marshal(api.Lookup{Items: []api.LookupItem{{Identity: "file9:" + strings.Repeat("e", 64)}, {Identity: identity, Options: o}}})
	if err != nil {
		f.t.Fatal(err)
	}
	a := f.do(user, http.MethodPost, api.PathLookup, strings.NewReader(string(raw)), "Content-Type", "application/json")
	items := decode[api.LookupResult](f.t, a.want(f.t, http.StatusOK)).Items
	if len(items) != 2 || len(items[0].Tracks) > 0 || items[0].JobID != "" {
		f.t.Fatalf("got %+v", items)
	}
	return items[1]
}

// uploadAs uploads data with metadata given in pairs, and returns the job's ID.
func (f *fixture) uploadAs(user string, data []byte, pairs ...string) string {
	f.t.Helper()
	a := f.do(user, http.MethodPost, api.PathUploads, strings.NewReader(string(data)), "Tus-Resumable", "1.0.0",
		"Content-Type", octets, "Upload-Length", strconv.Itoa(len(data)), "Upload-Metadata", meta(pairs...))
	a.want(f.t, http.StatusCreated)
	return strings.TrimPrefix(a.header.Get("Location"), api.PathUploads)
}

func tracksOf(j sx.Job) []api.ConvertedTrack {
	return []api.ConvertedTrack{{Number: 1, Size: j.Tracks[0].Size, SHA256: j.Tracks[0].SHA256}}
}

// TestLookup follows a source from its upload to after its job was removed.
func TestLookup(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(20, 5000)
	identity := "audio1:" + digest(data)
	speech := api.Options{Preset: sx.PresetSpeech}
	want := func(what, user string, o api.Options, want api.Conversion) {
		t.Helper()
		if want.Tracks == nil {
			want.Tracks = []api.ConvertedTrack{}
		}
		if got := f.lookUp(user, identity, o); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	want("nothing is known", alice, speech, api.Conversion{})

	first := f.uploadAs(alice, data, "filename", "a.mp4", "preset", "speech", "audio_only", "true", "source_size", "400000", "identity", "audio1")
	j := f.job(first)
	if s := j.Sources[0]; s.Identity != identity || s.Size != 400000 || s.SHA256 != "" || !j.Sent.AudioOnly || j.Sent.Size != int64(len(data)) {
		t.Errorf("the job has %+v and %+v", s, j.Sent)
	}
	want("queued", alice, speech, api.Conversion{JobID: first, State: sx.StateQueued})
	want("queued, other options", alice, api.Options{}, api.Conversion{})
	want("another user's", bob, speech, api.Conversion{})

	made := f.convert(first, []byte("an MP3"))
	want("done", alice, speech, api.Conversion{Tracks: tracksOf(made), JobID: first, State: sx.StateDone})
	want("done, the same options in other words", alice, api.Options{Preset: sx.PresetSpeech, Mono: true}, api.Conversion{Tracks: tracksOf(made), JobID: first, State: sx.StateDone})

	second := f.uploadAs(alice, data, "filename", "a.mp4", "preset", "speech", "audio_only", "true", "identity", identity)
	want("done, and another one queued", alice, speech, api.Conversion{Tracks: tracksOf(made), JobID: first, State: sx.StateDone})
	f.do(alice, http.MethodDelete, jobPath(api.PathJob, first), nil).want(t, http.StatusNoContent)
	want("removed, and another one queued", alice, speech, api.Conversion{Tracks: tracksOf(made), JobID: second, State: sx.StateQueued})
	f.do(alice, http.MethodPost, jobPath(api.PathCancel, second), nil).want(t, http.StatusOK)
	want("removed, and another one cancelled", alice, speech, api.Conversion{Tracks: tracksOf(made)})
	f.do(alice, http.MethodDelete, jobPath(api.PathJob, second), nil).want(t, http.StatusNoContent)
	want("both removed", alice, speech, api.Conversion{Tracks: tracksOf(made)})

	third := f.uploadAs(alice, data, "filename", "b.mp4", "preset", "speech", "identity", identity)
	if s := f.job(third).Sources[0]; s.Identity != identity || s.SHA256 != digest(data) {
		t.Errorf("the whole file was recorded as %+v", s)
	}
	again := f.convert(third, []byte("another MP3"))
	want("converted again", alice, speech, api.Conversion{Tracks: tracksOf(again), JobID: third, State: sx.StateDone})
	f.do(alice, http.MethodDelete, jobPath(api.PathJob, third), nil).want(t, http.StatusNoContent)
	want("removed again", alice, speech, api.Conversion{Tracks: tracksOf(again)})
}

// TestLookupReadsLittle looks up one of many conversions of the same source.
func TestLookupReadsLittle(t *testing.T) {
	t.Parallel()
	var read counted
	f := newFixture(t, func(c *gateway.Config) {
		read.Conversions = c.Conversions
		c.Conversions = &read
	})
	identity := "audio1:" + strings.Repeat("a", 64)
	tracks := slices.Repeat([]sx.ConvertedTrack{{Number: 1, Size: 1, SHA256: strings.Repeat("b", 64)}}, sx.MaxTracks)
	for i := range 100 {
		o := sx.Options{Title: strconv.Itoa(i)}
		c := sx.Conversion{Owner: alice, Identity: identity, Options: o.Key(), Tracks: tracks, Recorded: f.clock.Now()}
		if err := f.store.Conversions.Put(t.Context(), c, math.MaxInt32); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.lookUp(alice, identity, api.Options{Title: "7"}); len(got.Tracks) != sx.MaxTracks {
		t.Errorf("got %d tracks", len(got.Tracks))
	}
	if n := read.records.Load(); n != 1 {
		t.Errorf("read %d records for one", n)
	}

	var in api.Lookup
	for range api.MaxLookup {
		in.Items = append(in.Items, api.LookupItem{Identity: identity, Options: api.Options{Title: "7"}})
	}
	f.post(alice, api.PathLookup, in).wantCode(t, sx.CodeInvalid)
	in.Items = in.Items[:10]
	f.post(alice, api.PathLookup, in).want(t, http.StatusOK)
}

// counted counts the records that are read.
type counted struct {
	store.Conversions
	records atomic.Int32
}

func (c *counted) Find(ctx context.Context, owner string, keys []store.ConversionKey) ([]sx.Conversion, error) {
	list, err := c.Conversions.Find(ctx, owner, keys)
	c.records.Add(int32(len(list)))
	return list, err
}

// TestWholeFilesHaveAnIdentity checks that a source is recognised although its client
// says nothing about it, and that a wrong digest of what was sent is corrected.
func TestWholeFilesHaveAnIdentity(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(20, 5000)
	for _, identity := range []string{"", "file1", "file1:" + strings.Repeat("0", 64)} {
		id := f.uploadAs(alice, data, "filename", "a.mp4", "identity", identity)
		if got := f.job(id).Sources[0].Identity; got != "file1:"+digest(data) {
			t.Errorf("%q became %q", identity, got)
		}
	}
	id := f.uploadAs(alice, data, "filename", "a.mp4", "audio_only", "true")
	if s := f.job(id).Sources[0]; s.Identity != "" || s.SHA256 != "" {
		t.Errorf("an unknown source became %+v", s)
	}
}

func TestWrongIdentities(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, pairs := range [][]string{
		{"identity", "sha1:" + strings.Repeat("0", 64)},
		{"identity", "audio1:" + strings.Repeat("A", 64)},
		{"identity", "audio1"}, // without audio_only
		{"identity", "file1", "audio_only", "true"},
		{"audio_only", "yes"},
		{"audio_only", "true", "source_size", "-1"},
		{"labels", "a,+b"},
		{"labels", strings.Repeat("x", 65)},
		{"title", strings.Repeat("x", 1001)},
	} {
		f.do(alice, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0", "Upload-Length", "100",
			"Upload-Metadata", meta(append(pairs, "filename", "a.mp4")...)).wantCode(t, sx.CodeInvalid)
	}
	if n := len(f.videos()); n > 0 {
		t.Errorf("%d videos were created", n)
	}
	for _, body := range []string{
		`{"items":[{"identity":"audio1","options":{}}]}`,
		`{"items":[{"identity":"audio1:` + strings.Repeat("0", 64) + `","options":{"preset":"loud"}}]}`,
		`{"items":[` + strings.Repeat(`{},`, 1000) + `{}]}`,
	} {
		f.do(alice, http.MethodPost, api.PathLookup, strings.NewReader(body), "Content-Type", "application/json").wantCode(t, sx.CodeInvalid)
	}
}

func TestLabelsAndTags(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(20, 5000)
	id := f.uploadAs(alice, data, "filename", "a.mp4", "labels", "week 1, maths,week 1", "title", "A\u202e\nB", "artist", "C", "album", "D")
	f.uploadAs(alice, data, "filename", "b.mp4", "labels", "maths")
	j := decode[api.Job](t, f.do(alice, http.MethodGet, jobPath(api.PathJob, id), nil).want(t, http.StatusOK))
	if want := (api.Options{Preset: sx.PresetStandard, Title: "A B", Artist: "C", Album: "D"}); j.Options != want || strings.Join(j.Labels, ",") != "week 1,maths" {
		t.Errorf("got %+v, %q", j.Options, j.Labels)
	}
	list := decode[api.JobList](t, f.do(alice, http.MethodGet, api.PathJobs+"?label=maths&label=week+1", nil).want(t, http.StatusOK))
	if len(list.Jobs) != 1 || list.Jobs[0].ID != id {
		t.Errorf("listed %+v", list.Jobs)
	}
}
