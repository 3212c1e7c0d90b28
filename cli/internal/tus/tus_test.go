package tus_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/servertest"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/cli/internal/tus"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// meter remembers what it was told.
type meter struct {
	mu    sync.Mutex
	now   int64
	waits []string
}

func (*meter) Start(string, int64, int64)             {}
func (*meter) Percent(string, float64, time.Duration) {}
func (*meter) Say(string, ...any)                     {}

func (m *meter) Set(done int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = done
}

func (m *meter) Wait(reason string, _ time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits = append(m.waits, reason)
}

func content(size int) []byte {
	out := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(out) // never fails
	return out
}

// bench is an upload that can begin.
type bench struct {
	server *servertest.Server
	client *tus.Client
	meter  *meter
	upload *tus.Upload
}

func newBench(t *testing.T, server *servertest.Server, video []byte, patience time.Duration) *bench {
	t.Helper()
	b := &bench{server: server, meter: &meter{}, client: &tus.Client{API: server.Client(t), Stall: 30 * time.Second}}
	id, err := b.client.Create(t.Context(), int64(len(video)), map[string]string{api.MetaFilename: "talk.mp4"})
	if err != nil {
		t.Fatal(err)
	}
	policy := &transfer.Policy{Patience: patience}
	b.upload = &tus.Upload{
		ID: id, Src: bytes.NewReader(video), Size: int64(len(video)),
		Check: func() error { return nil }, Meter: b.meter, Retry: policy.Start(b.meter),
	}
	return b
}

func (b *bench) check(t *testing.T, video []byte) {
	t.Helper()
	if stored, _ := b.server.Video(b.upload.ID); !bytes.Equal(stored, video) {
		t.Errorf("%d bytes are stored and differ from the file's %d", len(stored), len(video))
	}
	if b.meter.now != int64(len(video)) {
		t.Errorf("the meter stands at %d of %d", b.meter.now, len(video))
	}
}

func TestUploadInOneGo(t *testing.T) {
	t.Parallel()
	server := servertest.New(t)
	var sizes []int64
	server.Cut = func(_, n int64) int64 {
		sizes = append(sizes, n)
		return -1
	}
	video := content(66 << 20)
	b := newBench(t, server, video, time.Minute)
	if err := b.client.Send(t.Context(), b.upload); err != nil {
		t.Fatal(err)
	}
	b.check(t, video)
	if len(sizes) != 3 || sizes[0] > 1<<20 || sizes[1] > 64<<20 {
		t.Errorf("the requests carried %v bytes, want a small one and then at most 64 MiB each", sizes)
	}
	if _, meta := server.Video(b.upload.ID); meta[api.MetaFilename] != "talk.mp4" {
		t.Errorf("the metadata arrived as %v", meta)
	}
}

func TestConnectionCutAtRandomOffsets(t *testing.T) {
	t.Parallel()
	server := servertest.New(t)
	var cuts atomic.Int32
	server.Cut = func(_, n int64) int64 {
		if cuts.Add(1) > 200 {
			return -1
		}
		return rand.Int64N(min(n, 90_000))
	}
	video := content(16 << 20)
	b := newBench(t, server, video, time.Minute)
	if err := b.client.Send(t.Context(), b.upload); err != nil {
		t.Fatal(err)
	}
	b.check(t, video)
	if cuts.Load() < 200 {
		t.Errorf("only %d cuts were made", cuts.Load())
	}
}

func TestRefusalsThatPass(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(w http.ResponseWriter)
	}{
		{"locked by a request that is dying", func(w http.ResponseWriter) { http.Error(w, "ERR_UPLOAD_LOCKED", http.StatusLocked) }},
		{"wrong offset", func(w http.ResponseWriter) { api.WriteError(w, sx.NewError(sx.CodeOffsetConflict, "no")) }},
		{"conflict without a body", func(w http.ResponseWriter) { w.WriteHeader(http.StatusConflict) }},
		{"server starting", func(w http.ResponseWriter) { api.WriteError(w, sx.NewError(sx.CodeUnavailable, "no")) }},
		{"proxy without a server", func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) }},
		{"server broken", func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }},
		{"token ended", func(w http.ResponseWriter) { api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "no")) }},
		{"sign-in page of a hotel", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>room number?") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := servertest.New(t)
			var left atomic.Int32
			left.Store(3)
			server.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPatch || left.Add(-1) < 0 {
					return false
				}
				tt.answer(w)
				return true
			}
			video := content(2 << 20)
			b := newBench(t, server, video, time.Minute)
			if err := b.client.Send(t.Context(), b.upload); err != nil {
				t.Fatal(err)
			}
			b.check(t, video)
			if len(b.meter.waits) == 0 {
				t.Error("nobody was told of the pauses")
			}
		})
	}
}

func TestRefusalsForGood(t *testing.T) {
	t.Parallel()
	for _, code := range []sx.Code{
		sx.CodeNotMedia, sx.CodePlaylist, sx.CodeStorageFull, sx.CodeQuotaExceeded,
		sx.CodeUploadExpired, sx.CodeNotFound, sx.CodeUnauthenticated, sx.CodeConflict,
	} {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			server := servertest.New(t)
			server.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPatch {
					api.WriteError(w, sx.NewError(code, "no"))
				}
				return r.Method == http.MethodPatch
			}
			b := newBench(t, server, content(8<<20), time.Minute)
			if err := b.client.Send(t.Context(), b.upload); sx.CodeOf(err) != code {
				t.Errorf("got %v, want the server's error", err)
			}
		})
	}
}

func TestProxyThatTakesSmallRequestsOnly(t *testing.T) {
	t.Parallel()
	server := servertest.New(t)
	server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.ContentLength > 1<<20 {
			http.Error(w, "<html>", http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	}
	video := content(6 << 20)
	b := newBench(t, server, video, time.Minute)
	if err := b.client.Send(t.Context(), b.upload); err != nil {
		t.Fatal(err)
	}
	b.check(t, video)
}

func TestStallIsNoticed(t *testing.T) {
	t.Parallel()
	server := servertest.New(t)
	var stalls atomic.Int32
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch || stalls.Add(1) > 2 {
			return false
		}
		<-released // takes nothing and says nothing, as a dead connection
		return true
	}
	video := content(32 << 20)
	b := newBench(t, server, video, time.Minute)
	b.client.Stall = 300 * time.Millisecond
	if err := b.client.Send(t.Context(), b.upload); err != nil {
		t.Fatal(err)
	}
	b.check(t, video)
	if len(b.meter.waits) == 0 || b.meter.waits[0] != "the connection stalls" {
		t.Errorf("told of %v", b.meter.waits)
	}
}

func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	server := servertest.New(t)
	server.Cut = func(int64, int64) int64 { return 0 }
	b := newBench(t, server, content(1<<20), 700*time.Millisecond)
	began := time.Now()
	err := b.client.Send(t.Context(), b.upload)
	if sx.CodeOf(err) != cmdutil.CodeTimedOut || !strings.Contains(sx.AsError(err).Hint, "same command") {
		t.Errorf("got %v, want the patience to end", err)
	}
	if passed := time.Since(began); passed > 10*time.Second {
		t.Errorf("gave up after %s", passed)
	}
}

func TestServerThatForgetsBytes(t *testing.T) {
	t.Parallel()
	server := servertest.New(t)
	server.Stored = func(p []byte) []byte { return p[:(len(p)*3+3)/4] } // answers with less than was sent
	video := content(3 << 20)
	b := newBench(t, server, video, time.Minute)
	if err := b.client.Send(t.Context(), b.upload); err != nil {
		t.Fatal(err)
	}
	b.check(t, video)
}

func TestSourceThatEndsEarlyOrFails(t *testing.T) {
	t.Parallel()
	server := servertest.New(t)
	broken := errors.New("bad sector")
	for _, tt := range []struct {
		name string
		src  io.ReaderAt
		want error
	}{
		{"shorter than it was", bytes.NewReader(content(1 << 20)), io.ErrUnexpectedEOF},
		{"unreadable", readerFunc(func([]byte, int64) (int, error) { return 0, broken }), broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, server, content(4<<20), time.Minute)
			b.upload.Src = tt.src
			var source *tus.SourceError
			if err := b.client.Send(t.Context(), b.upload); !errors.As(err, &source) || !errors.Is(err, tt.want) {
				t.Errorf("got %v, want a SourceError of %v", err, tt.want)
			}
		})
	}
}

type readerFunc func([]byte, int64) (int, error)

func (f readerFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

func TestCheckEndsTheUpload(t *testing.T) {
	t.Parallel()
	server := servertest.New(t)
	b := newBench(t, server, content(4<<20), time.Minute)
	stop := errors.New("stop")
	b.upload.Check = func() error {
		if b.upload.Offset > 0 {
			return stop
		}
		return nil
	}
	if err := b.client.Send(t.Context(), b.upload); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestContextEndsTheUpload(t *testing.T) {
	t.Parallel()
	server := servertest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	server.Cut = func(int64, int64) int64 {
		cancel()
		return 0
	}
	b := newBench(t, server, content(4<<20), time.Minute)
	if err := b.client.Send(ctx, b.upload); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestCreateMistrustsStrangers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"web page":    func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") },
		"no location": func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) },
	} {
		server := servertest.New(t)
		server.Before = func(w http.ResponseWriter, _ *http.Request) bool {
			answer(w)
			return true
		}
		c := &tus.Client{API: server.Client(t), Stall: time.Minute}
		if _, err := c.Create(t.Context(), 1, nil); sx.CodeOf(err) != sx.CodeUnavailable {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := c.Offset(t.Context(), "x"); sx.CodeOf(err) != sx.CodeUnavailable {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
