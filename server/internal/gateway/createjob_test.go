package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

const form = "application/x-www-form-urlencoded" // what curl --data-binary sends

func TestCreateJob(t *testing.T) {
	t.Parallel()
	onBothStores(t, nil, func(t *testing.T, f *fixture) {
		data := video(1, 300_000)
		a := f.do(alice, http.MethodPost, api.PathJobs+"?"+url.Values{
			"filename": {"Vorlesung über ÄÖ.mp4"}, "preset": {"speech"}, "mono": {"true"}, "labels": {"b,a"}, "start": {"1.5"},
		}.Encode(), bytes.NewReader(data), "Content-Type", form).want(t, http.StatusCreated)
		j := decode[api.Job](t, a)
		if a.header.Get("Location") != jobPath(api.PathJob, j.ID) || j.State != sx.StateQueued || j.Name != "Vorlesung über ÄÖ.mp4" {
			t.Errorf("got %+v at %s", j, a.header.Get("Location"))
		}
		stored := f.job(j.ID)
		if stored.Sent.SHA256 != digest(data) || stored.Owner != alice || stored.Options.Preset != sx.PresetSpeech ||
			!stored.Options.Mono || stored.Options.Start != 1.5 || !slices.Equal(stored.Labels, []string{"b", "a"}) {
			t.Errorf("stored %+v", stored)
		}
	})
}

func TestCreateJobIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *gateway.Config) { c.MaxUpload, c.Quota.Bytes = 2000, 1500 })
	tests := []struct {
		name    string
		query   string
		body    io.Reader
		want    sx.Code
		message string // part of it
	}{
		{"no file name", "", bytes.NewReader(video(1, 100)), sx.CodeInvalid, "no filename"},
		{"unknown parameter", "filename=a.mp4&bit_rate=64", bytes.NewReader(video(1, 100)), sx.CodeInvalid, `"bit_rate"`},
		{"twice", "filename=a.mp4&labels=a&labels=b", bytes.NewReader(video(1, 100)), sx.CodeInvalid, "2 times"},
		{"malformed query", "filename=%zz", bytes.NewReader(video(1, 100)), sx.CodeInvalid, "malformed"},
		{"wrong option", "filename=a.mp4&preset=loud", bytes.NewReader(video(1, 100)), sx.CodeInvalid, `"loud"`},
		{"no size", "filename=a.mp4", io.MultiReader(bytes.NewReader(video(1, 100))), sx.CodeInvalid, "Content-Length"},
		{"empty", "filename=a.mp4", http.NoBody, sx.CodeNotMedia, "empty"},
		{"too large", "filename=a.mp4", bytes.NewReader(video(1, 2001)), sx.CodeTooLarge, "larger"},
		{"over the quota", "filename=a.mp4", bytes.NewReader(video(1, 1501)), sx.CodeQuotaExceeded, "1.5 kB"},
		{"text", "filename=a.mp4", strings.NewReader("hello"), sx.CodeNotMedia, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := f.do(alice, http.MethodPost, api.PathJobs+"?"+tt.query, tt.body, api.HeaderIdempotencyKey, "k").wantCode(t, tt.want)
			if !strings.Contains(e.Message, tt.message) {
				t.Errorf("message %q lacks %q", e.Message, tt.message)
			}
			if got := f.videos(); len(got) != 0 {
				t.Errorf("videos %v are left", got)
			}
		})
	}
	// The key of refused requests is free.
	f.do(alice, http.MethodPost, api.PathJobs+"?filename=a.mp4", bytes.NewReader(video(1, 1000)), api.HeaderIdempotencyKey, "k").want(t, http.StatusCreated)
}

// sendPart sends the head of a request that creates a job with a key, and n bytes of its body.
func (f *fixture) sendPart(data []byte, n int) net.Conn {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	head := fmt.Sprintf("POST %s?filename=a.mp4 HTTP/1.1\r\nHost: sx\r\nAuthorization: Bearer %s\r\n%s: k\r\nContent-Length: %d\r\n\r\n",
		api.PathJobs, alice, api.HeaderIdempotencyKey, len(data))
	if _, err := conn.Write(append([]byte(head), data[:n]...)); err != nil {
		f.t.Fatal(err)
	}
	return conn
}

// TestCreateJobInterrupted cuts a request; the same one again gets a job of its own.
func TestCreateJobInterrupted(t *testing.T) {
	t.Parallel()
	onBothStores(t, nil, func(t *testing.T, f *fixture) {
		data := video(2, 400_000)
		repeat := func() answer {
			return f.do(alice, http.MethodPost, api.PathJobs+"?filename=a.mp4", bytes.NewReader(data), api.HeaderIdempotencyKey, "k")
		}
		conn := f.sendPart(data, 200_000)
		testkit.Eventually(t, "the upload exists", func() bool { return len(f.videos()) == 1 })
		repeat().wantCode(t, sx.CodeKeyInUse)
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the part is removed", func() bool { return len(f.videos()) == 0 })
		var j api.Job
		testkit.Eventually(t, "the key is free", func() bool {
			a := repeat()
			j = decode[api.Job](t, a)
			return a.status == http.StatusCreated
		})
		if again := decode[api.Job](t, repeat().want(t, http.StatusCreated)); again.ID != j.ID {
			t.Errorf("the same request again created %s, want %s", again.ID, j.ID)
		}
		if got := f.job(j.ID); got.Sent.SHA256 != digest(data) || got.State != sx.StateQueued {
			t.Errorf("stored %+v", got)
		}
		f.createWith(alice, "k", "a.mp4", len(data)).wantCode(t, sx.CodeKeyReused)
	})
}

// TestCreateJobAfterACrash repeats a request whose gateway was stopped while it received the
// file.
func TestCreateJobAfterACrash(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	data := video(3, 100_000)
	ctx := context.Background()
	// A complete request whose bytes are then replaced by a part of them.
	a := f.do(alice, http.MethodPost, api.PathJobs+"?filename=a.mp4", bytes.NewReader(data), api.HeaderIdempotencyKey, "k").want(t, http.StatusCreated)
	first := decode[api.Job](t, a)
	f.change(first.ID, func(j *sx.Job) error { j.State, j.Sent.SHA256 = sx.StateUploading, ""; return nil })
	if err := f.store.Videos.Remove(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Videos.Create(ctx, first.ID, "a.mp4", int64(len(data))); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Videos.Append(ctx, first.ID, 0, bytes.NewReader(data[:70_000])); err != nil {
		t.Fatal(err)
	}
	repeat := func() answer {
		return f.do(alice, http.MethodPost, api.PathJobs+"?filename=a.mp4", bytes.NewReader(data), api.HeaderIdempotencyKey, "k")
	}
	repeat().wantCode(t, sx.CodeKeyInUse)
	// The store takes the time of the bytes from the system, whose clock has gone on.
	f.clock.Advance(2*time.Minute + testkit.Timeout)
	j := decode[api.Job](t, repeat().want(t, http.StatusCreated))
	if got := f.videos(); j.ID == first.ID || len(got) != 1 || got[0] != j.ID {
		t.Errorf("created %s after %s, and there are %v", j.ID, first.ID, got)
	}
}

// TestCreateJobTakesAllMetadata checks that every key of metadata that clients send is a
// parameter, in the document too.
func TestCreateJobTakesAllMetadata(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var documented []string
	for _, p := range document(t).Paths.Value(api.PathJobs).Post.Parameters {
		documented = append(documented, p.Value.Name)
	}
	for key := range api.UploadMetadata(testkit.Filled[sx.NewUpload](t)) {
		if !slices.Contains(documented, key) {
			t.Errorf("the parameter %s is not documented", key)
		}
		e := f.do(alice, http.MethodPost, api.PathJobs+"?filename=a.mp4&"+key+"=%00", http.NoBody).errorBody(t)
		if strings.Contains(e.Message, "unknown parameter") {
			t.Errorf("the parameter %s is unknown", key)
		}
	}
}
