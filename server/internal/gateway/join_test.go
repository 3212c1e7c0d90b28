package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// TestJoin uploads files that are joined, and follows them to after their job was removed.
func TestJoin(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(20, 5000)
	const sources = `[{"name":"GH010034.MP4","size":4000000,"sent":3000},{"name":"GH020034.MP4","sent":2000}]`
	id := f.uploadAs(alice, data, "filename", "talk.mp4", "audio_only", "true", "sources", sources)
	identity := sx.JoinedIdentity(digest(data), []int64{3000, 2000})
	j := f.job(id)
	want := []sx.Source{
		{Name: "GH010034.MP4", Size: 4000000, Sent: 3000, Identity: identity},
		{Name: "GH020034.MP4", Size: 2000, Sent: 2000, Identity: identity},
	}
	if !reflect.DeepEqual(j.Sources, want) || j.Sent.Name != "talk.mp4" || j.Sent.Size != 5000 || !j.Sent.AudioOnly {
		t.Errorf("the job has %+v and %+v", j.Sources, j.Sent)
	}
	if got := decode[api.Job](t, f.do(alice, http.MethodGet, jobPath(api.PathJob, id), nil).want(t, http.StatusOK)); len(got.Sources) != 2 || got.Sources[1].Sent != 2000 {
		t.Errorf("the response has %+v", got.Sources)
	}

	made := f.convert(id, []byte("an MP3"))
	for _, removed := range []bool{false, true} {
		if removed {
			f.do(alice, http.MethodDelete, jobPath(api.PathJob, id), nil).want(t, http.StatusNoContent)
		}
		if got := f.lookUp(alice, identity, api.Options{}); !reflect.DeepEqual(got.Tracks, tracksOf(made)) || removed != (got.JobID == "") {
			t.Errorf("removed %t: %+v", removed, got)
		}
		// The same bytes, divided otherwise or not at all, are another source.
		for _, other := range []string{sx.JoinedIdentity(digest(data), []int64{2000, 3000}), "file1:" + digest(data), "audio1:" + digest(data)} {
			if got := f.lookUp(alice, other, api.Options{}); len(got.Tracks) > 0 {
				t.Errorf("%s: %+v", other, got)
			}
		}
	}

	answer := f.do(alice, http.MethodPost, api.PathJobs+"?filename=talk.mp4&sources="+url.QueryEscape(sources), strings.NewReader(string(data))).want(t, http.StatusCreated)
	if got := decode[api.Job](t, answer).Sources; len(got) != 2 || got[0].Identity != identity || got[0].Name != "GH010034.MP4" {
		t.Errorf("one request: %+v", got)
	}
}

// TestJoinedUploadIsDescribed checks that an unfinished upload of files that are joined is
// described with them.
func TestJoinedUploadIsDescribed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const sources = `[{"name":"a.MTS","size":4000000,"sent":60},{"name":"b.MTS","size":70,"sent":40}]`
	created := f.do(alice, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0", "Upload-Length", "100",
		"Upload-Metadata", meta("filename", "a.MTS", "sources", sources)).want(t, http.StatusCreated)
	head := f.do(alice, http.MethodHead, created.header.Get("Location"), nil, "Tus-Resumable", "1.0.0").want(t, http.StatusOK)
	for _, want := range strings.Split(meta("filename", "a.MTS", "sources", sources), ",") {
		if !strings.Contains(head.header.Get("Upload-Metadata"), want) {
			t.Errorf("%q lacks %q", head.header.Get("Upload-Metadata"), want)
		}
	}
}

func TestWrongJoin(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	many := "[" + strings.TrimSuffix(strings.Repeat(`{"name":"a","sent":1},`, sx.MaxSources+1), ",") + "]"
	good := `[{"name":"a","sent":40},{"name":"b","sent":60}]`
	for _, tt := range []struct {
		sources, want string
		pairs         []string
	}{
		{sources: `x`, want: "not valid"},
		{sources: `{}`, want: "not valid"},
		{sources: `[]`, want: "0 files cannot be joined"},
		{sources: `[{"name":"a","sent":100}]`, want: "1 files cannot be joined"},
		{sources: many, want: fmt.Sprintf("%d files cannot be joined", sx.MaxSources+1)},
		{sources: `[{"name":"a","sent":40},{"name":"b","sent":61}]`, want: "the upload has 100 bytes, but its files have 101"},
		{sources: `[{"name":"a","sent":100},{"name":"b","sent":0}]`, want: "the size of b is invalid"},
		{sources: `[{"name":"a","sent":-1},{"name":"b","sent":101}]`, want: "the size of a is invalid"},
		{sources: `[{"name":"a","sent":9223372036854775807},{"name":"b","sent":101}]`, want: "the size of a is invalid"},
		{sources: `[{"name":"a","size":-1,"sent":40},{"name":"b","sent":60}]`, want: "the size of a is invalid"},
		{sources: good, pairs: []string{"identity", "file1"}, want: "size or identity"},
		{sources: good, pairs: []string{"source_size", "100", "audio_only", "true"}, want: "size or identity"},
	} {
		e := f.do(alice, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0", "Upload-Length", "100",
			"Upload-Metadata", meta(append(tt.pairs, "filename", "a.mp4", "sources", tt.sources)...)).wantCode(t, sx.CodeInvalid)
		if !strings.Contains(e.Message, tt.want) || e.Hint == "" {
			t.Errorf("%.60s: %q (%q), want %q", tt.sources, e.Message, e.Hint, tt.want)
		}
	}
	f.do(alice, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0", "Upload-Length", "100",
		"Upload-Metadata", meta("filename", "a.mp4", "audio_only", "true", "identity", "join1")).wantCode(t, sx.CodeInvalid)
	if n := len(f.videos()); n > 0 {
		t.Errorf("%d videos were created", n)
	}
}
