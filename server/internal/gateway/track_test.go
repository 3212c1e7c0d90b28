package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

func TestTrack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	id := f.upload(alice, `Übung "1".final.mp4`, video(30, 5000))
	path := jobPath(api.PathTrack, id)
	if e := f.do(alice, http.MethodGet, path, nil).wantCode(t, sx.CodeConflict); !strings.Contains(e.Hint, "wait until job "+id) {
		t.Errorf("hint %q of a queued job", e.Hint)
	}
	mp3 := []byte(strings.Repeat("0123456789", 10_000))
	f.convert(id, mp3)
	etag := `"` + digest(mp3) + `"`
	tests := []struct {
		name    string
		method  string
		headers []string
		status  int
		body    string
	}{
		{"whole", http.MethodGet, nil, 200, string(mp3)},
		{"head", http.MethodHead, nil, 200, ""},
		{"the rest", http.MethodGet, []string{"Range", "bytes=99995-"}, 206, "56789"},
		{"the rest, with a matching If-Range", http.MethodGet, []string{"Range", "bytes=99995-", "If-Range", etag}, 206, "56789"},
		{"the rest, with another If-Range", http.MethodGet, []string{"Range", "bytes=99995-", "If-Range", `"other"`}, 200, string(mp3)},
		{"a range", http.MethodGet, []string{"Range", "bytes=3-5"}, 206, "345"},
		{"the end", http.MethodGet, []string{"Range", "bytes=-2"}, 206, "89"},
		{"after the end", http.MethodGet, []string{"Range", "bytes=100000-"}, 416, ""},
		{"unchanged", http.MethodGet, []string{"If-None-Match", etag}, 304, ""},
	}
	sum := sha256.Sum256(mp3)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := f.do(alice, tt.method, path, nil, tt.headers...).want(t, tt.status)
			if tt.status < 300 && string(a.body) != tt.body {
				t.Errorf("got %d bytes, want %d", len(a.body), len(tt.body))
			}
			want := map[string]string{
				"ETag": etag, "Repr-Digest": "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":",
				"Content-Type": "audio/mpeg", "Accept-Ranges": "bytes",
				"Content-Disposition": `attachment; filename="_bung _1_.final.mp3"; filename*=UTF-8''%C3%9Cbung%20%221%22.final.mp3`,
			}
			for key, value := range want {
				if tt.status < 300 && a.header.Get(key) != value {
					t.Errorf("%s: %s, want %s", key, a.header.Get(key), value)
				}
			}
		})
	}
}

// TestManyRanges checks that a request for more ranges than a response may have gets the
// whole track, however they are sent, and exactly as if it had named none.
func TestManyRanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	id := f.upload(alice, "a.mp4", video(32, 5000))
	mp3 := []byte(strings.Repeat("0123456789", 10_000))
	f.convert(id, mp3)
	path := jobPath(api.PathTrack, id)
	ranges := func(n int) string { return "bytes=" + strings.Repeat("1-2, ", n-1) + "1-2" }

	whole := f.do(alice, http.MethodGet, path, nil).want(t, http.StatusOK)
	for name, headers := range map[string][]string{
		"17":           {"Range", ranges(17)},
		"3000":         {"Range", ranges(3000)},
		"in two lines": {"Range", ranges(10), "Range", ranges(10)},
	} {
		got := f.do(alice, http.MethodGet, path, nil, headers...)
		if got.status != http.StatusOK || !bytes.Equal(got.body, whole.body) {
			t.Errorf("%s ranges: status %d with %d bytes, want the whole track", name, got.status, len(got.body))
		}
		for key := range whole.header {
			if key != "Date" && key != "X-Request-Id" && got.header.Get(key) != whole.header.Get(key) {
				t.Errorf("%s ranges: %s is %q, want %q", name, key, got.header.Get(key), whole.header.Get(key))
			}
		}
		if got.header.Get("Content-Range") != "" {
			t.Errorf("%s ranges: the whole track has a Content-Range", name)
		}
	}
	most := f.do(alice, http.MethodGet, path, nil, "Range", ranges(16)).want(t, http.StatusPartialContent)
	if kind := most.header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/byteranges") || bytes.Count(most.body, []byte("\r\n\r\n12\r\n")) != 16 {
		t.Errorf("16 ranges: %s with %d bytes", kind, len(most.body))
	}
}

func TestNoTrack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	failed := f.upload(alice, "a.mp4", video(31, 5000))
	f.change(failed, func(j *sx.Job) error { return j.Claim("worker", time.Minute, f.clock.Now()) })
	f.change(failed, func(j *sx.Job) error {
		return j.Fail(j.Attempt, sx.NewError(sx.CodeNoAudio, "no sound"), f.clock.Now())
	})
	given := idOf(f.create(alice, "b.mp4", 5000))
	f.do(alice, http.MethodPost, jobPath(api.PathCancel, given), nil).want(t, http.StatusOK)
	for id, hint := range map[string]string{failed: "retry job " + failed, given: "upload the file again"} {
		if e := f.do(alice, http.MethodGet, jobPath(api.PathTrack, id), nil).wantCode(t, sx.CodeConflict); !strings.Contains(e.Hint, hint) {
			t.Errorf("hint %q lacks %q", e.Hint, hint)
		}
	}
}
