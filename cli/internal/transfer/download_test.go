package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/bandwidth"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/gateway"
)

type downloadFixture struct {
	server     *gateway.Server
	downloader *transfer.Downloader
	progress   *progressLog
	mp3        []byte
	id         string
	path       string
}

func newDownload(t *testing.T) *downloadFixture {
	t.Helper()
	d := &downloadFixture{server: gateway.New(t), progress: &progressLog{}, mp3: randomBytes(2 << 20), path: filepath.Join(t.TempDir(), "talk.mp3")}
	d.id = d.server.Add("talk.mp4", sx.StateDone, d.mp3)
	d.downloader = &transfer.Downloader{
		API: d.server.Client(t), Policy: &transfer.Policy{Timeout: 20 * time.Second, FirstPause: time.Millisecond}, StateDir: t.TempDir(),
	}
	return d
}

func (d *downloadFixture) job(t *testing.T) api.Job {
	t.Helper()
	job, err := d.downloader.API.Job(t.Context(), d.id)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func (d *downloadFixture) part() string {
	return filepath.Join(filepath.Dir(d.path), ".talk.mp3."+d.id+".part")
}

func (d *downloadFixture) get(ctx context.Context, t *testing.T) (bool, error) {
	t.Helper()
	return d.downloader.File(ctx, d.job(t), 1, d.path, d.progress)
}

func (d *downloadFixture) succeeds(t *testing.T) {
	t.Helper()
	if existed, err := d.get(t.Context(), t); err != nil || existed {
		t.Fatalf("existed: %v, %v", existed, err)
	}
	got, err := os.ReadFile(d.path)
	if err != nil || !bytes.Equal(got, d.mp3) {
		t.Errorf("got %d bytes of %d: %v", len(got), len(d.mp3), err)
	}
	entries, err := os.ReadDir(filepath.Dir(d.path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v", entries)
	}
}

// cutting truncates the given number of responses.
func (d *downloadFixture) cutting(times int32) (ranges *[]string) {
	ranges = &[]string{}
	var cuts atomic.Int32
	d.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/tracks/1") {
			return false
		}
		*ranges = append(*ranges, r.Header.Get("Range"))
		if cuts.Add(1) > times {
			return false
		}
		var from int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("ETag", `"`+gateway.Digest(d.mp3)+`"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(d.mp3)-from))
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(d.mp3)-1, len(d.mp3)))
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(d.mp3[from:min(from+100_000, len(d.mp3))])
		panic(http.ErrAbortHandler)
	}
	return ranges
}

// TestConcurrentDownloads checks that a second process waits for the first, and finds its
// MP3 in place.
func TestConcurrentDownloads(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	waits := make(chan struct{})
	d.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tracks/1") {
			select {
			case <-waits:
			case <-r.Context().Done():
			}
		}
		return false
	}
	job, first := d.job(t), make(chan error, 1)
	go func() {
		_, err := d.downloader.File(t.Context(), job, 1, d.path, &progressLog{})
		first <- err
	}()
	testkit.Eventually(t, "the first download has begun", func() bool {
		_, err := os.Stat(d.part())
		return err == nil
	})
	d.progress.onSay = func(string) { close(waits) }
	existed, err := d.get(t.Context(), t)
	if err != nil || !existed {
		t.Errorf("existed: %v, %v", existed, err)
	}
	d.progress.wantSaid(t, "another sx is writing "+d.path+"; waiting until it has finished")
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	d.succeeds(t)
	if existed, err := d.get(t.Context(), t); err != nil || !existed {
		t.Errorf("a second time: existed %v, %v", existed, err)
	}
	if runtime.GOOS != "windows" {
		plain := filepath.Join(t.TempDir(), "plain")
		if err := os.WriteFile(plain, nil, 0o666); err != nil { //nolint:gosec // to determine the umask
			t.Fatal(err)
		}
		want, _ := os.Stat(plain)
		if got, _ := os.Stat(d.path); got.Mode() != want.Mode() {
			t.Errorf("the MP3's mode is %v, any other new file's %v", got.Mode(), want.Mode())
		}
	}
}

func TestDownloadOverBrokenConnections(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	ranges := d.cutting(8)
	d.succeeds(t)
	if len(*ranges) < 9 || (*ranges)[8] == "" {
		t.Errorf("asked for %q", *ranges)
	}
}

func TestDownloadResumesInTheNextRun(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	if err := os.WriteFile(d.part(), d.mp3[:1<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	ranges := d.cutting(0)
	d.succeeds(t)
	if len(*ranges) != 1 || (*ranges)[0] != "bytes=1048576-" {
		t.Errorf("asked for %q", *ranges)
	}
	d.progress.wantSaid(t, "resuming at 1.0 MB of 2.1 MB (50%)")
}

func TestPartialFileIsComplete(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	if err := os.WriteFile(d.part(), d.mp3, 0o600); err != nil {
		t.Fatal(err)
	}
	ranges := d.cutting(0)
	d.succeeds(t)
	if len(*ranges) != 0 {
		t.Errorf("asked for %q", *ranges)
	}
}

func TestPartialFileOfSomethingElse(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]func(*downloadFixture) []byte{
		"other bytes": func(*downloadFixture) []byte { return make([]byte, 1<<20) },
		"too long":    func(d *downloadFixture) []byte { return append(bytes.Clone(d.mp3), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDownload(t)
			if err := os.WriteFile(d.part(), part(d), 0o600); err != nil {
				t.Fatal(err)
			}
			d.succeeds(t)
		})
	}
}

func TestServerWithoutRanges(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	if err := os.WriteFile(d.part(), d.mp3[:1000], 0o600); err != nil {
		t.Fatal(err)
	}
	d.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return false
	}
	d.succeeds(t)
}

func TestServerSendsAnotherRange(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	if err := os.WriteFile(d.part(), d.mp3[:1000], 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong atomic.Int32
	d.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") != "" && wrong.Add(1) == 1 {
			r.Header.Set("Range", "bytes=7-")
		}
		return false
	}
	d.succeeds(t)
}

func TestDownloadWithWrongDigest(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	d.server.Change(d.id, func(j *sx.Job) { j.Track(1).SHA256 = gateway.Digest(nil) })
	if _, err := d.get(t.Context(), t); err == nil || !strings.Contains(err.Error(), "the downloaded MP3 is damaged") {
		t.Errorf("got %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(d.path)); len(entries) != 0 {
		t.Errorf("left in the directory: %v", entries)
	}
	var out bytes.Buffer
	if err := d.downloader.Stream(t.Context(), d.job(t), &out, d.progress); err == nil {
		t.Error("the stream ended well")
	}
}

func TestStreamDownload(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	d.cutting(3)
	var out bytes.Buffer
	if err := d.downloader.Stream(t.Context(), d.job(t), &out, d.progress); err != nil || !bytes.Equal(out.Bytes(), d.mp3) {
		t.Errorf("got %d bytes of %d: %v", out.Len(), len(d.mp3), err)
	}
}

func TestStreamFromServerWithoutRanges(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	d.cutting(1)
	cut := d.server.Before
	d.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return cut(w, r)
	}
	var out bytes.Buffer
	if err := d.downloader.Stream(t.Context(), d.job(t), &out, d.progress); err != nil || !bytes.Equal(out.Bytes(), d.mp3) {
		t.Errorf("got %d bytes of %d: %v", out.Len(), len(d.mp3), err)
	}
}

func TestExistingFileIsKept(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	if err := os.WriteFile(d.path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := d.get(t.Context(), t)
	if known := sx.AsError(err); known.Code != sx.CodeInvalid || !strings.Contains(known.Hint, "--force") {
		t.Errorf("got %+v", known)
	}
	if got, _ := os.ReadFile(d.path); string(got) != "mine" {
		t.Error("it was overwritten")
	}
	d.downloader.Force = true
	d.succeeds(t)
}

func TestInvalidTargets(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	for name, path := range map[string]string{
		"a directory":                        filepath.Dir(d.path),
		"a directory that cannot be created": filepath.Join(os.Args[0], "none", "x.mp3"),
		"a name that is too long":            filepath.Join(filepath.Dir(d.path), strings.Repeat("x", 300)),
	} {
		_, err := d.downloader.File(t.Context(), d.job(t), 1, path, d.progress)
		if known := sx.AsError(err); known.Code != sx.CodeInvalid || known.Hint == "" {
			t.Errorf("%s: got %+v", name, known)
		}
	}
}

func TestLocalDiskFull(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	err := d.downloader.Stream(t.Context(), d.job(t), fullDisk{}, d.progress)
	if known := sx.AsError(err); known.Code != sx.CodeStorageFull || !strings.Contains(known.Message, "the local disk is full") {
		t.Errorf("got %+v", known)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "talk.mp3", Err: syscall.ENOSPC}
}

func TestDownloadCancelled(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	job := d.job(t)
	ctx, cancel := context.WithCancel(t.Context())
	d.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done() // otherwise the response might arrive before the cancellation
		return true
	}
	if _, err := d.downloader.File(ctx, job, 1, d.path, d.progress); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestJobsWithoutMP3(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	for state, want := range map[sx.State]string{
		sx.StateRunning: "sx watch", sx.StateCancelled: "sx show", sx.StateFailed: "upload a video",
	} {
		d.id = d.server.Add("talk.mp4", state, nil)
		if state == sx.StateFailed {
			d.server.Change(d.id, func(j *sx.Job) { j.Error = sx.NewError(sx.CodeNotMedia, "no media") })
		}
		_, err := d.get(t.Context(), t)
		if hint := cmdutil.HintOf(err, nil); !strings.Contains(hint, want) {
			t.Errorf("%s: got %v (hint: %s), want %q", state, err, hint, want)
		}
		if err := d.downloader.Stream(t.Context(), d.job(t), &bytes.Buffer{}, d.progress); err == nil {
			t.Errorf("%s: streamed", state)
		}
	}
}

func TestDownloadLimit(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	d.mp3 = randomBytes(400 << 10)
	d.id = d.server.Add("talk.mp4", sx.StateDone, d.mp3)
	var err error
	if d.downloader.Limit, err = bandwidth.New("300k"); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	d.succeeds(t)
	if took := time.Since(started); took < time.Second {
		t.Errorf("took %s", took)
	}
}
