package gateway_test

import (
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
