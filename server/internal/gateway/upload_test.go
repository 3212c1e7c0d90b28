package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestUpload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(1, 300_000)
	a := f.do(alice, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0",
		"Upload-Length", strconv.Itoa(len(data)),
		"Upload-Metadata", meta("filename", "Vorlesung über ÄÖ.mp4", "preset", "speech", "mono", "true", "keep_all_tags", "true",
			"start", "90.5", "end", "3600", "loudness", "auto", "split_every", "1800", "colour", "blue"))
	a.want(t, http.StatusCreated)
	path := a.header.Get("Location")
	id := idOf(path)
	if !strings.HasPrefix(path, api.PathUploads) || id == "" {
		t.Fatalf("Location %q is not a path below %s", path, api.PathUploads)
	}
	if _, err := http.ParseTime(a.header.Get("Upload-Expires")); err != nil {
		t.Errorf("Upload-Expires: %v", err)
	}
	if got := f.patch(alice, path, 0, data[:100_000]).want(t, http.StatusNoContent).header; got.Get("Upload-Offset") != "100000" || got.Get("Upload-Expires") == "" {
		t.Errorf("after the first request: %v", got)
	}
	head := f.do(alice, http.MethodHead, path, nil, "Tus-Resumable", "1.0.0").want(t, http.StatusOK).header
	for key, want := range map[string]string{
		"Upload-Offset": "100000", "Upload-Length": "300000", "Cache-Control": "no-store", "Tus-Resumable": "1.0.0",
	} {
		if head.Get(key) != want {
			t.Errorf("HEAD: %s is %q, want %q", key, head.Get(key), want)
		}
	}
	j := decode[api.Job](t, f.do(alice, http.MethodGet, jobPath(api.PathJob, id), nil).want(t, http.StatusOK))
	if j.State != sx.StateUploading || j.Progress < 33 || j.Progress > 34 || j.Name != "Vorlesung über ÄÖ.mp4" {
		t.Errorf("while uploading: %+v", j)
	}
	last := f.patch(alice, path, 100_000, data[100_000:]).want(t, http.StatusNoContent).header
	if last.Get("Upload-Offset") != "300000" || last.Get("Upload-Expires") != "" {
		t.Errorf("after the last request: %v", last)
	}

	stored := f.job(id)
	if stored.State != sx.StateQueued || stored.Sent.SHA256 != digest(data) || stored.Owner != alice {
		t.Errorf("stored %+v, want it queued with digest %s", stored, digest(data))
	}
	if stored.Options.Preset != sx.PresetSpeech || !stored.Options.Mono || !stored.Options.KeepAllTags ||
		stored.Options.Start != 90.5 || stored.Options.End != 3600 || stored.Options.Loudness != "auto" || stored.Options.SplitEvery != 1800 {
		t.Errorf("options %+v", stored.Options)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	d, err := f.bus.Receive(ctx, bus.Convert)
	if err != nil || d.Message().JobID != id {
		t.Errorf("wake-up message %v, %v", d, err)
	}
	// The finished upload is reported as complete and accepts no more bytes.
	if got := f.offset(alice, path); got != len(data) {
		t.Errorf("offset %d after the end", got)
	}
	f.patch(alice, path, len(data), nil).want(t, http.StatusNoContent)
	if got := f.metric("sx_upload_bytes_total", ""); got != float64(len(data)) {
		t.Errorf("counted %v bytes", got)
	}
	if got := f.metric("sx_uploads_total", "finished"); got != 1 {
		t.Errorf("counted %v finished uploads", got)
	}
}

func TestUploadWithCreation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(2, 90_000)
	a := f.do(alice, http.MethodPost, api.PathUploads, bytes.NewReader(data), "Tus-Resumable", "1.0.0",
		"Content-Type", octets, "Upload-Length", strconv.Itoa(len(data)), "Upload-Metadata", meta("filename", "a.mp4"))
	a.want(t, http.StatusCreated)
	if j := f.job(idOf(a.header.Get("Location"))); j.State != sx.StateQueued || j.Sent.SHA256 != digest(data) {
		t.Errorf("stored %+v", j)
	}
}

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *gateway.Config) { c.MaxUpload, c.Quota.Bytes = 1000, 1500 })
	f.create(alice, "first.mp4", 900)
	tests := []struct {
		name     string
		size     string
		metadata string
		want     sx.Code
		message  string // part of it
	}{
		{"no file name", "100", meta("preset", "small"), sx.CodeInvalid, "no file name"},
		{"broken metadata", "100", "filename ???", sx.CodeInvalid, "malformed Upload-Metadata"},
		{"no length", "", meta("filename", "a.mp4"), sx.CodeInvalid, "Upload-Length"},
		{"negative length", "-1", meta("filename", "a.mp4"), sx.CodeInvalid, "Upload-Length"},
		{"empty file", "0", meta("filename", "a.mp4"), sx.CodeNotMedia, "a.mp4 is empty"},
		{"unknown preset", "100", meta("filename", "a.mp4", "preset", "loud"), sx.CodeInvalid, `"loud"`},
		{"bit rate not a number", "100", meta("filename", "a.mp4", "bitrate", "fast"), sx.CodeInvalid, `"fast"`},
		{"bit rate not supported by MP3", "100", meta("filename", "a.mp4", "bitrate", "100"), sx.CodeInvalid, "100 kbit/s"},
		{"quality not a number", "100", meta("filename", "a.mp4", "quality", "best"), sx.CodeInvalid, `"best"`},
		{"bit rate and quality", "100", meta("filename", "a.mp4", "quality", "2", "bitrate", "128"), sx.CodeInvalid, "mutually exclusive"},
		{"mono not a boolean", "100", meta("filename", "a.mp4", "mono", "yes"), sx.CodeInvalid, `"yes"`},
		{"a start that is no number", "100", meta("filename", "a.mp4", "start", "1:30"), sx.CodeInvalid, `start "1:30"`},
		{"an end before the start", "100", meta("filename", "a.mp4", "start", "9", "end", "8"), sx.CodeInvalid, "not after the start"},
		{"two ways to split", "100", meta("filename", "a.mp4", "split_chapters", "true", "split_every", "60"), sx.CodeInvalid, "mutually exclusive"},
		{"a loudness that is no number", "100", meta("filename", "a.mp4", "loudness", "loud"), sx.CodeInvalid, `loudness "loud"`},
		{"keep_all_tags not a boolean", "100", meta("filename", "a.mp4", "keep_all_tags", "1"), sx.CodeInvalid, `keep_all_tags "1"`},
		{"track", "100", meta("filename", "a.mp4", "track", "../x"), sx.CodeInvalid, "audio track"},
		{"too large", "1001", meta("filename", "a.mp4"), sx.CodeTooLarge, "larger"},
		{"over the quota", "601", meta("filename", "a.mp4"), sx.CodeQuotaExceeded, "900 B of 1.5 kB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			headers := []string{"Tus-Resumable", "1.0.0", "Upload-Metadata", tt.metadata}
			if tt.size != "" {
				headers = append(headers, "Upload-Length", tt.size)
			}
			e := f.do(alice, http.MethodPost, api.PathUploads, nil, headers...).wantCode(t, tt.want)
			if !strings.Contains(e.Message, tt.message) {
				t.Errorf("message %q lacks %q", e.Message, tt.message)
			}
		})
	}
	// They leave nothing behind; an upload that fits is still accepted, as is
	// another user's.
	if got := f.videos(); len(got) != 1 {
		t.Errorf("videos %v, want only the first", got)
	}
	f.create(alice, "fits.mp4", 600)
	f.create(bob, "mine.mp4", 1000)
}

// TestRefusalIsNotARemoval refuses uploads of which more is to come, while the service
// stops the requests of uploads that were removed: the client learns why its own was.
func TestRefusalIsNotARemoval(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.run()
	data := []byte(strings.Repeat("hello world\n", 10_000))
	for range 20 {
		path := f.create(alice, "talk.mp4", len(data))
		f.patch(alice, path, 0, data).wantCode(t, sx.CodeNotMedia)
		path = f.create(alice, "talk.mp4", 10*len(data))
		f.patch(alice, path, 0, data[:1<<16]).wantCode(t, sx.CodeNotMedia)
	}
}

func TestNonMediaIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		data string
		want sx.Code
	}{
		{"text", strings.Repeat("hello world\n", 10_000), sx.CodeNotMedia},
		{"small text", "hello", sx.CodeNotMedia},
		{"playlist", "#EXTM3U\n#EXT-X-VERSION:3\nhttp://169.254.169.254/\n", sx.CodePlaylist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			path := f.create(alice, "talk.mp4", len(tt.data))
			f.patch(alice, path, 0, []byte(tt.data)).wantCode(t, tt.want)
			f.patch(alice, path, 0, []byte(tt.data)).wantCode(t, sx.CodeNotFound)
			if got := f.videos(); len(got) != 0 {
				t.Errorf("videos %v are left", got)
			}
			if got := f.metric("sx_uploads_total", "refused"); got != 1 {
				t.Errorf("counted %v refused uploads", got)
			}
		})
	}
}

func TestTusRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(3, 10_000)
	path := f.create(alice, "a.mp4", len(data))
	f.patch(alice, path, 0, data[:5000]).want(t, http.StatusNoContent)
	tests := []struct {
		name    string
		method  string
		body    []byte
		headers []string
		status  int
		want    sx.Code
	}{
		{"wrong offset", http.MethodPatch, data[:10], []string{"Tus-Resumable", "1.0.0", "Content-Type", octets, "Upload-Offset", "4999"}, 409, sx.CodeOffsetConflict},
		{"no offset", http.MethodPatch, data[:10], []string{"Tus-Resumable", "1.0.0", "Content-Type", octets}, 400, sx.CodeInvalid},
		{"wrong type", http.MethodPatch, data[:10], []string{"Tus-Resumable", "1.0.0", "Upload-Offset", "5000"}, 400, sx.CodeInvalid},
		{"wrong version", http.MethodPatch, data[:10], []string{"Tus-Resumable", "0.2.2", "Content-Type", octets, "Upload-Offset", "5000"}, 412, sx.CodeInvalid},
		{"more than the length", http.MethodPatch, data[:5001], []string{"Tus-Resumable", "1.0.0", "Content-Type", octets, "Upload-Offset", "5000"}, 413, sx.CodeInvalid},
		{"no version", http.MethodDelete, nil, nil, 412, sx.CodeInvalid},
		{"reading", http.MethodGet, nil, nil, 405, sx.CodeInvalid},
		{"method override", http.MethodPost, nil, []string{"X-HTTP-Method-Override", "PATCH"}, 405, sx.CodeInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := f.do(alice, tt.method, path, bytes.NewReader(tt.body), tt.headers...).want(t, tt.status)
			if e := a.errorBody(t); e.Code != tt.want || e.Message == "" || e.Hint == "" {
				t.Errorf("got %+v, want code %s", e, tt.want)
			}
		})
	}
	if got := f.offset(alice, path); got != 5000 {
		t.Errorf("offset %d after refused requests", got)
	}
	f.do(alice, http.MethodPost, api.PathUploads, nil, "Tus-Resumable", "1.0.0", "Upload-Defer-Length", "1",
		"Upload-Metadata", meta("filename", "a.mp4")).wantCode(t, sx.CodeInvalid)
}

func TestUploadsAreDescribed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *gateway.Config) { c.MaxUpload = 1 << 30 })
	h := f.do(alice, http.MethodOptions, api.PathUploads, nil).want(t, http.StatusNoContent).header
	if h.Get("Tus-Version") != "1.0.0" || h.Get("Tus-Max-Size") != "1073741824" || !strings.Contains(h.Get("Tus-Extension"), "expiration") {
		t.Errorf("got %v", h)
	}
}

func TestTerminateUpload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(4, 9000)
	path := f.create(alice, "a.mp4", len(data))
	f.patch(alice, path, 0, data[:5000]).want(t, http.StatusNoContent)
	f.do(alice, http.MethodDelete, path, nil, "Tus-Resumable", "1.0.0").want(t, http.StatusNoContent)
	f.do(alice, http.MethodDelete, path, nil, "Tus-Resumable", "1.0.0").wantCode(t, sx.CodeNotFound)
	f.do(alice, http.MethodGet, jobPath(api.PathJob, idOf(path)), nil).wantCode(t, sx.CodeNotFound)
	if got := f.videos(); len(got) != 0 {
		t.Errorf("videos %v are left", got)
	}

	id := f.upload(alice, "b.mp4", data)
	e := f.do(alice, http.MethodDelete, api.PathUploads+id, nil, "Tus-Resumable", "1.0.0").wantCode(t, sx.CodeConflict)
	if want := "delete the job " + id; !strings.Contains(e.Hint, want) {
		t.Errorf("hint %q lacks %q", e.Hint, want)
	}
}

func TestUploadExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(5, 9000)
	old, fresh := f.create(alice, "old.mp4", len(data)), f.create(alice, "fresh.mp4", len(data))
	f.patch(alice, old, 0, data[:5000]).want(t, http.StatusNoContent)
	last := f.create(alice, "complete.mp4", len(data)) // the last one checked, so it shows that the round is over
	if _, err := f.store.Videos.Append(context.Background(), idOf(last), 0, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	f.clock.Advance(gateway.DefaultUploadLifetime - time.Minute)
	newFixtureLike(t, f).run()
	testkit.Eventually(f.t, "a round", func() bool { return f.job(idOf(last)).State == sx.StateQueued })
	if got := f.offset(alice, old); got != 5000 {
		t.Fatalf("offset %d before the upload expires", got)
	}

	again := newFixtureLike(t, f)
	f.clock.Advance(2 * time.Minute)
	again.run()
	testkit.Eventually(f.t, "expiry", func() bool {
		return f.job(idOf(old)).State == sx.StateExpired && f.job(idOf(fresh)).State == sx.StateExpired && len(f.videos()) == 1
	})
	again.patch(alice, old, 5000, data[5000:]).wantCode(t, sx.CodeUploadExpired)
	again.do(alice, http.MethodHead, old, nil, "Tus-Resumable", "1.0.0").want(t, http.StatusGone)
	again.do(alice, http.MethodDelete, old, nil, "Tus-Resumable", "1.0.0").wantCode(t, sx.CodeUploadExpired)
	if usage, err := f.store.Jobs.Usage(context.Background(), alice, f.clock.Now()); err != nil || usage.Bytes != int64(len(data)) || usage.Uploads != 0 {
		t.Errorf("usage %+v, %v; want that of the complete video", usage, err)
	}
}

func TestReconcilerFinishesCompleteUploads(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ctx := context.Background()
	for _, completed := range []bool{false, true} {
		t.Run(fmt.Sprintf("completed %v", completed), func(t *testing.T) {
			data := video(6, 70_000)
			path := f.create(alice, "a.mp4", len(data))
			if _, err := f.store.Videos.Append(ctx, idOf(path), 0, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			if completed {
				if _, err := f.store.Videos.Complete(ctx, idOf(path)); err != nil {
					t.Fatal(err)
				}
			}
			// A PATCH now only gets the response that all bytes are stored.
			f.patch(alice, path, len(data), nil).want(t, http.StatusNoContent)
			f.clock.Advance(sx.UploadCheck)
			newFixtureLike(t, f).run()
			testkit.Eventually(f.t, "the upload to be finished", func() bool { return f.job(idOf(path)).State == sx.StateQueued })
			if got := f.job(idOf(path)).Sent.SHA256; got != digest(data) {
				t.Errorf("digest %s, want %s", got, digest(data))
			}
		})
	}
}
