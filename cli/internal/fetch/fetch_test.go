package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/fetch"
	"github.com/soundextract/sx/cli/internal/servertest"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

type meter struct {
	mu   sync.Mutex
	said string
}

func (*meter) Start(string, int64, int64)             {}
func (*meter) Percent(string, float64, time.Duration) {}
func (*meter) Set(int64)                              {}
func (*meter) Wait(string, time.Time)                 {}

func (m *meter) Say(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said += fmt.Sprintf(format, args...) + "\n"
}

type bench struct {
	server  *servertest.Server
	fetcher *fetch.Fetcher
	meter   *meter
	mp3     []byte
	id      string
	path    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{server: servertest.New(t), meter: &meter{}, mp3: make([]byte, 2<<20), path: filepath.Join(t.TempDir(), "talk.mp3")}
	_, _ = rand.NewChaCha8([32]byte{5}).Read(b.mp3) // never fails
	b.id = b.server.Add("talk.mp4", sx.StateDone, b.mp3)
	b.fetcher = &fetch.Fetcher{
		API: b.server.Client(t), Policy: &transfer.Policy{Patience: 20 * time.Second}, StateDir: t.TempDir(),
	}
	return b
}

func (b *bench) job(t *testing.T) api.Job {
	t.Helper()
	job, err := b.fetcher.API.Job(t.Context(), b.id)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func (b *bench) part() string {
	return filepath.Join(filepath.Dir(b.path), ".talk.mp3."+b.id+".part")
}

func (b *bench) get(ctx context.Context, t *testing.T) (bool, error) {
	t.Helper()
	return b.fetcher.File(ctx, b.job(t), b.path, b.meter)
}

func (b *bench) succeeds(t *testing.T) {
	t.Helper()
	if there, err := b.get(t.Context(), t); err != nil || there {
		t.Fatalf("there before: %v, %v", there, err)
	}
	got, err := os.ReadFile(b.path)
	if err != nil || !bytes.Equal(got, b.mp3) {
		t.Errorf("%d bytes came of %d: %v", len(got), len(b.mp3), err)
	}
	entries, err := os.ReadDir(filepath.Dir(b.path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v", entries)
	}
}

// cutting breaks each answer off after some bytes, the given number of times.
func (b *bench) cutting(times int32) (ranges *[]string) {
	ranges = &[]string{}
	var cuts atomic.Int32
	b.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/track") {
			return false
		}
		*ranges = append(*ranges, r.Header.Get("Range"))
		if cuts.Add(1) > times {
			return false
		}
		var from int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("ETag", `"`+servertest.Digest(b.mp3)+`"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(b.mp3)-from))
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(b.mp3)-1, len(b.mp3)))
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(b.mp3[from:min(from+100_000, len(b.mp3))])
		panic(http.ErrAbortHandler)
	}
	return ranges
}

func TestDownload(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.succeeds(t)
	if there, err := b.get(t.Context(), t); err != nil || !there {
		t.Errorf("a second time: there before %v, %v", there, err)
	}
	if runtime.GOOS != "windows" {
		plain := filepath.Join(t.TempDir(), "plain")
		if err := os.WriteFile(plain, nil, 0o666); err != nil { //nolint:gosec // to learn the umask
			t.Fatal(err)
		}
		want, _ := os.Stat(plain)
		if got, _ := os.Stat(b.path); got.Mode() != want.Mode() {
			t.Errorf("the MP3's mode is %v, any other new file's %v", got.Mode(), want.Mode())
		}
	}
}

func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ranges := b.cutting(8)
	b.succeeds(t)
	if len(*ranges) < 9 || (*ranges)[8] == "" {
		t.Errorf("asked for %q", *ranges)
	}
}

func TestGoesOnInTheNextRun(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := os.WriteFile(b.part(), b.mp3[:1<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	ranges := b.cutting(0)
	b.succeeds(t)
	if len(*ranges) != 1 || (*ranges)[0] != "bytes=1048576-" || !strings.Contains(b.meter.said, "going on at 1.0 MB of 2.1 MB (50 %)") {
		t.Errorf("asked for %q and said %q", *ranges, b.meter.said)
	}
}

func TestPartIsComplete(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := os.WriteFile(b.part(), b.mp3, 0o600); err != nil {
		t.Fatal(err)
	}
	ranges := b.cutting(0)
	b.succeeds(t)
	if len(*ranges) != 0 {
		t.Errorf("asked for %q", *ranges)
	}
}

func TestPartThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]func(*bench) []byte{
		"other bytes": func(*bench) []byte { return make([]byte, 1<<20) },
		"too long":    func(b *bench) []byte { return append(bytes.Clone(b.mp3), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if err := os.WriteFile(b.part(), part(b), 0o600); err != nil {
				t.Fatal(err)
			}
			b.succeeds(t)
		})
	}
}

func TestServerThatKnowsNoRanges(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := os.WriteFile(b.part(), b.mp3[:1000], 0o600); err != nil {
		t.Fatal(err)
	}
	b.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return false
	}
	b.succeeds(t)
}

func TestServerThatSendsAnotherRange(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := os.WriteFile(b.part(), b.mp3[:1000], 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong atomic.Int32
	b.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") != "" && wrong.Add(1) == 1 {
			r.Header.Set("Range", "bytes=7-")
		}
		return false
	}
	b.succeeds(t)
}

func TestWrongDigest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.server.Change(b.id, func(j *api.Job) {
		j.Track = &api.Track{Size: j.Track.Size, SHA256: servertest.Digest(nil)}
	})
	if _, err := b.get(t.Context(), t); err == nil || !strings.Contains(err.Error(), "arrived damaged") {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(b.path)); len(entries) != 0 {
		t.Errorf("left in the folder: %v", entries)
	}
	var out bytes.Buffer
	if err := b.fetcher.Stream(t.Context(), b.job(t), &out, b.meter); err == nil {
		t.Error("the stream ended well")
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.cutting(3)
	var out bytes.Buffer
	if err := b.fetcher.Stream(t.Context(), b.job(t), &out, b.meter); err != nil || !bytes.Equal(out.Bytes(), b.mp3) {
		t.Errorf("%d bytes came of %d: %v", out.Len(), len(b.mp3), err)
	}
}

func TestStreamFromServerThatKnowsNoRanges(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.cutting(1)
	cut := b.server.Before
	b.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return cut(w, r)
	}
	var out bytes.Buffer
	if err := b.fetcher.Stream(t.Context(), b.job(t), &out, b.meter); err != nil || !bytes.Equal(out.Bytes(), b.mp3) {
		t.Errorf("%d bytes came of %d: %v", out.Len(), len(b.mp3), err)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := os.WriteFile(b.path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := b.get(t.Context(), t)
	if told := sx.AsError(err); told.Code != sx.CodeInvalid || !strings.Contains(told.Hint, "--force") {
		t.Errorf("got %+v", told)
	}
	if got, _ := os.ReadFile(b.path); string(got) != "mine" {
		t.Error("it was overwritten")
	}
	b.fetcher.Force = true
	b.succeeds(t)
}

func TestPlacesThatCannotBe(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, path := range map[string]string{
		"a folder":                 filepath.Dir(b.path),
		"a folder that is missing": filepath.Join(filepath.Dir(b.path), "none", "x.mp3"),
	} {
		_, err := b.fetcher.File(t.Context(), b.job(t), path, b.meter)
		if told := sx.AsError(err); told.Code != sx.CodeInvalid || told.Hint == "" {
			t.Errorf("%s: got %+v", name, told)
		}
	}
}

func TestFullDiskHere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	err := b.fetcher.Stream(t.Context(), b.job(t), fullDisk{}, b.meter)
	if told := sx.AsError(err); told.Code != sx.CodeStorageFull || !strings.Contains(told.Message, "the disk here is full") {
		t.Errorf("got %+v", told)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "talk.mp3", Err: syscall.ENOSPC}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	job := b.job(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done() // an answer could be faster than the cancellation
		return true
	}
	if _, err := b.fetcher.File(ctx, job, b.path, b.meter); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestJobsWithoutMP3(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for state, want := range map[sx.State]string{
		sx.StateRunning: "sx watch", sx.StateCancelled: "sx show", sx.StateFailed: "upload a video",
	} {
		b.id = b.server.Add("talk.mp4", state, nil)
		if state == sx.StateFailed {
			b.server.Change(b.id, func(j *api.Job) {
				e := api.FromError(sx.NewError(sx.CodeNotMedia, "no media"))
				j.Error = &e
			})
		}
		_, err := b.get(t.Context(), t)
		if told := sx.AsError(err); !strings.Contains(told.Hint, want) {
			t.Errorf("%s: got %+v, want %q", state, told, want)
		}
		if err := b.fetcher.Stream(t.Context(), b.job(t), &bytes.Buffer{}, b.meter); err == nil {
			t.Errorf("%s: streamed", state)
		}
	}
}
