package uploads_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/servertest"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/cli/internal/uploads"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// meter remembers what was said.
type meter struct {
	mu   sync.Mutex
	said []string
	from int64 // where the bytes began
}

func (*meter) Percent(string, float64, time.Duration) {}
func (*meter) Set(int64)                              {}
func (*meter) Wait(string, time.Time)                 {}

func (m *meter) Start(_ string, done, _ int64) { m.from = done }

func (m *meter) Say(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = append(m.said, fmt.Sprintf(format, args...))
}

type bench struct {
	server *servertest.Server
	up     *uploads.Uploader
	meter  *meter
	path   string
	video  []byte
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{server: servertest.New(t), meter: &meter{}, path: filepath.Join(t.TempDir(), "talk.mp4"), video: make([]byte, 3<<20)}
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b.video) // never fails
	b.write(t, b.video)
	b.up = &uploads.Uploader{
		API: b.server.Client(t), Policy: &transfer.Policy{Patience: 30 * time.Second},
		Records: uploads.Records{Dir: filepath.Join(t.TempDir(), "uploads"), Account: "here"},
	}
	return b
}

func (b *bench) write(t *testing.T, p []byte) {
	t.Helper()
	if err := os.WriteFile(b.path, p, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) file(t *testing.T) mediafiles.File {
	t.Helper()
	files, err := mediafiles.Find([]string{b.path})
	if err != nil {
		t.Fatal(err)
	}
	return files[0]
}

func (b *bench) upload(ctx context.Context, t *testing.T) (*uploads.Sent, error) {
	t.Helper()
	b.meter = &meter{}
	sent, err := b.up.Upload(ctx, b.file(t), sx.Options{Preset: sx.PresetSpeech}, b.meter)
	if err == nil {
		t.Cleanup(sent.Close)
	}
	return sent, err
}

// stopHalfway uploads until the server has the given count of bytes at least.
func (b *bench) stopHalfway(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.server.Cut = func(offset, _ int64) int64 {
		if offset > 0 {
			return 1 << 20
		}
		return -1
	}
	b.server.Stored = func(p []byte) []byte {
		if len(p) == 1<<20 {
			cancel()
		}
		return p
	}
	if _, err := b.upload(ctx, t); !errors.Is(err, context.Canceled) {
		t.Fatalf("the upload to be stopped ended with %v", err)
	}
	b.server.Cut, b.server.Stored = nil, nil
}

// records counts what is left in the folder.
func (b *bench) records(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(b.up.Records.Dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			n++
		}
	}
	return n
}

func (b *bench) heard(t *testing.T, want string) {
	t.Helper()
	if !strings.Contains(strings.Join(b.meter.said, "\n"), want) {
		t.Errorf("said %q, want %q", b.meter.said, want)
	}
}

func (b *bench) succeeds(t *testing.T) *uploads.Sent {
	t.Helper()
	sent, err := b.upload(t.Context(), t)
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := b.server.Video(sent.Job.ID)
	if want := b.video; !bytes.Equal(stored, want) || sent.SHA256 != servertest.Digest(want) {
		t.Errorf("%d bytes are stored with digest %s", len(stored), sent.SHA256)
	}
	return sent
}

func TestRecordStaysUntilTheResultIsHandedOver(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.succeeds(t)
	if _, meta := b.server.Video(first.Job.ID); meta[api.MetaPreset] != "speech" || meta[api.MetaFilename] != "talk.mp4" {
		t.Errorf("the metadata is %v", meta)
	}
	first.Close() // as if the process ended before it printed
	second := b.succeeds(t)
	if second.Job.ID != first.Job.ID || !second.Earlier {
		t.Errorf("job %s was uploaded again as %s", first.Job.ID, second.Job.ID)
	}
	second.Forget()
	second.Close()
	if n := b.records(t); n != 0 {
		t.Errorf("%d records are left", n)
	}
	if third := b.succeeds(t); third.Job.ID == first.Job.ID {
		t.Error("a new run did not begin anew")
	}
}

func TestGoesOnInTheNextRun(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stopHalfway(t)
	b.succeeds(t)
	b.heard(t, "going on at 1.3 MB of 3.1 MB (41 %)")
	if len(b.server.Jobs()) != 1 || b.meter.from < 1<<20 {
		t.Errorf("%d jobs, began at byte %d", len(b.server.Jobs()), b.meter.from)
	}
	info, err := os.Stat(b.up.Records.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the records are in a folder %v", info.Mode())
	}
}

func TestFileThatChangedBetweenRuns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stopHalfway(t)
	old := b.server.Jobs()[0].ID
	b.video = append(b.video, "more"...)
	b.write(t, b.video)
	b.succeeds(t)
	b.heard(t, "changed since its upload began, starting anew")
	if stored, _ := b.server.Video(old); stored != nil {
		t.Error("the upload of what the file was is still on the server")
	}
	if n := b.records(t); n != 1 {
		t.Errorf("there are %d records", n)
	}
}

func TestFileThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *bench){
		"grows":   func(t *testing.T, b *bench) { b.write(t, append(b.video, "more"...)) },
		"shrinks": func(t *testing.T, b *bench) { b.write(t, b.video[:2<<20]) },
		"goes":    func(*testing.T, *bench) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.server.Cut = func(offset, _ int64) int64 {
				if offset == 0 {
					return -1
				}
				if name == "goes" {
					_ = os.Remove(b.path)
				} else {
					change(t, b)
				}
				return 1 << 20
			}
			_, err := b.upload(t.Context(), t)
			if told := sx.AsError(err); told.Code != sx.CodeInvalid || !strings.Contains(told.Message, "changed while") || told.Hint == "" {
				t.Errorf("got %+v", told)
			}
			if n := len(b.server.Jobs()); n != 0 || b.records(t) != 0 {
				t.Errorf("%d jobs and %d records are left", n, b.records(t))
			}
		})
	}
}

func TestDamageOnTheWay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.server.Stored = func(p []byte) []byte {
		p[0]++
		return p
	}
	_, err := b.upload(t.Context(), t)
	if told := sx.AsError(err); told.Code != sx.CodeInvalid || !strings.Contains(told.Message, "not what is in the file") {
		t.Errorf("got %+v", told)
	}
	if n := len(b.server.Jobs()); n != 0 || b.records(t) != 0 {
		t.Errorf("%d jobs and %d records are left", n, b.records(t))
	}
}

func TestUploadThatTheServerGaveUp(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*servertest.Server, string){
		"forgotten": func(s *servertest.Server, id string) { s.Forget(id) },
		"expired":   func(s *servertest.Server, id string) { s.Change(id, func(j *api.Job) { j.State = sx.StateExpired }) },
		"cancelled": func(s *servertest.Server, id string) { s.Change(id, func(j *api.Job) { j.State = sx.StateCancelled }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.stopHalfway(t)
			lose(b.server, b.server.Jobs()[0].ID)
			b.succeeds(t)
			b.heard(t, "no longer has the unfinished upload, starting anew")
		})
	}
}

func TestForgottenInTheMiddle(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.server.Cut = func(offset, _ int64) int64 {
		if offset == 0 {
			return -1
		}
		b.server.Cut = nil
		b.server.Forget(b.server.Jobs()[0].ID)
		return 10
	}
	b.succeeds(t)
	b.heard(t, "starting anew")
}

func TestLostAnswerToTheCreation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	lost := false
	b.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && !lost {
			lost = true
			panic(http.ErrAbortHandler)
		}
		return false
	}
	b.succeeds(t)
	if !lost {
		t.Error("nothing was lost")
	}
}

func TestOneRunAtATime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.succeeds(t)
	_, err := b.upload(t.Context(), t)
	if told := sx.AsError(err); told.Code != sx.CodeInvalid || !strings.Contains(told.Message, "another sx") {
		t.Errorf("got %+v", told)
	}
	first.Close()
	b.succeeds(t)
}

func TestFullServerKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	full := true
	b.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if full && r.Method == http.MethodPatch && r.Header.Get("Upload-Offset") != "0" {
			api.WriteError(w, sx.NewError(sx.CodeStorageFull, "the disk is full"))
			return true
		}
		return false
	}
	if _, err := b.upload(t.Context(), t); sx.CodeOf(err) != sx.CodeStorageFull {
		t.Fatalf("got %v", err)
	}
	full = false
	b.succeeds(t)
	b.heard(t, "going on at 262 kB")
}

func TestRefusedFileIsForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			api.WriteError(w, sx.NewError(sx.CodeNotMedia, "this is no media"))
		}
		return r.Method == http.MethodPatch
	}
	if _, err := b.upload(t.Context(), t); sx.CodeOf(err) != sx.CodeNotMedia {
		t.Fatalf("got %v", err)
	}
	if n := b.records(t); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestDamagedRecordStartsAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stopHalfway(t)
	names, err := filepath.Glob(filepath.Join(b.up.Records.Dir, "*.json"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.WriteFile(names[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.succeeds(t)
}

func TestRecordsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.up.Records.Dir = filepath.Join(b.path, "below-a-file")
	if _, err := b.upload(t.Context(), t); err == nil {
		t.Error("an upload that cannot be remembered began")
	}
}
