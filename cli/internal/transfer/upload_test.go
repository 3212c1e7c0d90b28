package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/knownfiles"
	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

type uploadFixture struct {
	server   *gateway.Server
	up       *transfer.Uploader
	progress *progressLog
	path     string
	video    []byte
	onSay    func(line string) // called for each line; may be nil
}

func newUpload(t *testing.T) *uploadFixture {
	t.Helper()
	return newUploadOf(t, gateway.Media(3<<20))
}

func newUploadOf(t *testing.T, video []byte) *uploadFixture {
	t.Helper()
	u := &uploadFixture{server: gateway.New(t), progress: &progressLog{}, path: filepath.Join(t.TempDir(), "talk.mp4"), video: video}
	u.write(t, u.video)
	u.up = &transfer.Uploader{
		API: u.server.Client(t), Policy: &transfer.Policy{Timeout: 30 * time.Second, FirstPause: time.Millisecond},
		Records: transfer.UploadRecords{Dir: filepath.Join(t.TempDir(), "uploads"), Account: "here"},
		Files:   knownfiles.Open(t.TempDir()),
	}
	return u
}

func (u *uploadFixture) write(t *testing.T, p []byte) {
	t.Helper()
	if err := os.WriteFile(u.path, p, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (u *uploadFixture) file(t *testing.T) mediafiles.File {
	t.Helper()
	found := mediafiles.Find([]string{u.path})
	if len(found.Files) != 1 {
		t.Fatalf("found %+v", found)
	}
	return found.Files[0]
}

func (u *uploadFixture) upload(ctx context.Context, t *testing.T) (*transfer.Uploaded, error) {
	t.Helper()
	u.progress = &progressLog{onSay: u.onSay}
	in := u.up.Open(ctx, u.file(t), sx.Options{Preset: sx.PresetSpeech})
	defer in.Close()
	sent, err := u.up.Upload(ctx, in, u.progress)
	if err == nil {
		t.Cleanup(sent.Close)
	}
	return sent, err
}

// stopHalfway uploads until the server has 1.25 MiB, and stops when the client requests
// the offset: by then no request stores bytes.
func (u *uploadFixture) stopHalfway(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	u.server.Cut = func(offset, _ int64) int64 {
		if offset > 0 {
			return 1 << 20
		}
		return -1
	}
	u.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			cancel()
		}
		return false
	}
	if _, err := u.upload(ctx, t); !errors.Is(err, context.Canceled) {
		t.Fatalf("the upload to be stopped ended with %v", err)
	}
	u.server.Cut, u.server.Before = nil, nil
}

// records counts the stored records.
func (u *uploadFixture) records(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(u.up.Records.Dir)
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

func (u *uploadFixture) succeeds(t *testing.T) *transfer.Uploaded {
	t.Helper()
	sent, err := u.upload(t.Context(), t)
	if err != nil {
		t.Fatal(err)
	}
	stored := u.server.Video(sent.Job.ID)
	if want := u.video; !bytes.Equal(stored, want) || sent.SHA256 != gateway.Digest(want) {
		t.Errorf("%d bytes are stored with digest %s", len(stored), sent.SHA256)
	}
	return sent
}

func TestRecordStaysUntilTheResultIsHandedOver(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	first := u.succeeds(t)
	if job := u.server.Job(first.Job.ID); job.Options.Preset != sx.PresetSpeech || job.Sent.Name != "talk.mp4" {
		t.Errorf("the job is %+v", job)
	}
	first.Close() // as if the process ended before it printed the result
	second := u.succeeds(t)
	if second.Job.ID != first.Job.ID || !second.Earlier {
		t.Errorf("job %s was uploaded again as %s", first.Job.ID, second.Job.ID)
	}
	second.Forget()
	second.Close()
	if n := u.records(t); n != 0 {
		t.Errorf("%d records are left", n)
	}
	if third := u.succeeds(t); third.Job.ID == first.Job.ID {
		t.Error("a new run did not start again")
	}
}

func TestUploadResumesInTheNextRun(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.stopHalfway(t)
	u.succeeds(t)
	u.progress.wantSaid(t, "resuming at 1.3 MB of 3.1 MB (41%)")
	if len(u.server.Jobs()) != 1 || u.progress.start < 1<<20 {
		t.Errorf("%d jobs, started at byte %d", len(u.server.Jobs()), u.progress.start)
	}
	info, err := os.Stat(u.up.Records.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the records are in a directory %v", info.Mode())
	}
}

func TestFileChangedBetweenRuns(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.stopHalfway(t)
	old := u.server.Jobs()[0].ID
	u.video = append(u.video, "more"...)
	u.write(t, u.video)
	u.succeeds(t)
	u.progress.wantSaid(t, "changed since its upload started, starting again")
	if jobs := u.server.Jobs(); len(jobs) != 1 || jobs[0].ID == old {
		t.Error("the upload of what the file was is still on the server")
	}
	if n := u.records(t); n != 1 {
		t.Errorf("there are %d records", n)
	}
}

func TestFileChangesDuringUpload(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *uploadFixture){
		"grows":   func(t *testing.T, u *uploadFixture) { u.write(t, append(u.video, "more"...)) },
		"shrinks": func(t *testing.T, u *uploadFixture) { u.write(t, u.video[:2<<20]) },
		"goes":    func(*testing.T, *uploadFixture) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpload(t)
			u.server.Cut = func(offset, _ int64) int64 {
				if offset == 0 {
					return -1
				}
				if name == "goes" {
					_ = os.Remove(u.path)
				} else {
					change(t, u)
				}
				return 1 << 20
			}
			_, err := u.upload(t.Context(), t)
			if known := sx.AsError(err); known.Code != sx.CodeInvalid || !strings.Contains(known.Message, "changed during") || known.Hint == "" {
				t.Errorf("got %+v", known)
			}
			if n := len(u.server.Jobs()); n != 0 || u.records(t) != 0 {
				t.Errorf("%d jobs and %d records are left", n, u.records(t))
			}
		})
	}
}

func TestUploadDamagedOnTheWay(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.server.Stored = func(p []byte) []byte {
		p[len(p)-1]++
		return p
	}
	_, err := u.upload(t.Context(), t)
	if known := sx.AsError(err); known.Code != sx.CodeInvalid || !strings.Contains(known.Message, "the stored video differs from the file") {
		t.Errorf("got %+v", known)
	}
	if n := len(u.server.Jobs()); n != 0 || u.records(t) != 0 {
		t.Errorf("%d jobs and %d records are left", n, u.records(t))
	}
}

func TestUploadLostBetweenRuns(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*gateway.Server, string){
		"forgotten": func(s *gateway.Server, id string) { s.Forget(id) },
		"expired":   func(s *gateway.Server, id string) { s.Change(id, func(j *sx.Job) { j.State = sx.StateExpired }) },
		"cancelled": func(s *gateway.Server, id string) { s.Change(id, func(j *sx.Job) { j.State = sx.StateCancelled }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpload(t)
			u.stopHalfway(t)
			lose(u.server, u.server.Jobs()[0].ID)
			u.succeeds(t)
			u.progress.wantSaid(t, "no longer has the unfinished upload, starting again")
		})
	}
}

func TestUploadLostInTheMiddle(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.server.Cut = func(offset, _ int64) int64 {
		if offset == 0 {
			return -1
		}
		u.server.Cut = nil
		u.server.Forget(u.server.Jobs()[0].ID)
		return 10
	}
	u.succeeds(t)
	u.progress.wantSaid(t, "starting again")
}

// loseCreation loses the response to the first creation of an upload, which the server
// performs.
func (u *uploadFixture) loseCreation() {
	lost := false
	u.server.Lose = func(r *http.Request) bool {
		creation := r.Method == http.MethodPost && r.URL.Path == api.PathUploads
		first := creation && !lost
		lost = lost || creation
		return first
	}
}

// TestResponseToCreationLost checks that the same upload is used, by another attempt and by
// another run: a second one would count towards the quota until it expires.
func TestResponseToCreationLost(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.loseCreation()
	u.succeeds(t)
	if n := len(u.server.Jobs()); n != 1 {
		t.Errorf("%d uploads were created", n)
	}
}

func TestStoppedAfterTheResponseToCreationWasLost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		between func(*uploadFixture)
		jobs    int
	}{
		"the same command":   {func(*uploadFixture) {}, 1},
		"with another label": {func(u *uploadFixture) { u.up.Labels = []string{"talks"} }, 2},
		"removed meanwhile":  {func(u *uploadFixture) { u.server.Forget(u.server.Jobs()[0].ID) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpload(t)
			u.loseCreation()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			u.server.Before = func(http.ResponseWriter, *http.Request) bool {
				if len(u.server.Jobs()) > 0 {
					cancel()
					panic(http.ErrAbortHandler)
				}
				return false
			}
			if _, err := u.upload(ctx, t); !errors.Is(err, context.Canceled) {
				t.Fatalf("the first run ended with %v", err)
			}
			u.server.Lose, u.server.Before = nil, nil
			if n := len(u.server.Jobs()); n != 1 {
				t.Fatalf("the first run created %d uploads", n)
			}
			tt.between(u)
			u.succeeds(t)
			if n := len(u.server.Jobs()); n != tt.jobs {
				t.Errorf("there are %d uploads, want %d", n, tt.jobs)
			}
		})
	}
}

// TestConcurrentUploadsOfOneFile checks that a second process waits for the first, and
// then uses what the first has sent.
func TestConcurrentUploadsOfOneFile(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	first := u.succeeds(t)
	u.onSay = func(line string) {
		if strings.Contains(line, "another sx is sending this file; waiting") {
			first.Close()
		}
	}
	second := u.succeeds(t)
	u.progress.wantSaid(t, "another sx is sending this file; waiting until it has finished")
	if second.Job.ID != first.Job.ID {
		t.Errorf("job %s was uploaded again as %s", first.Job.ID, second.Job.ID)
	}
}

// TestWaitingIsInterrupted checks that Ctrl-C ends the wait for another process.
func TestWaitingIsInterrupted(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.succeeds(t)
	ctx, cancel := context.WithCancel(t.Context())
	u.onSay = func(string) { cancel() }
	if _, err := u.upload(ctx, t); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestFullServerKeepsTheUpload(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	full := true
	u.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if full && r.Method == http.MethodPatch && r.Header.Get("Upload-Offset") != "0" {
			api.WriteError(w, sx.NewError(sx.CodeStorageFull, "the disk is full"))
			return true
		}
		return false
	}
	if _, err := u.upload(t.Context(), t); sx.CodeOf(err) != sx.CodeStorageFull {
		t.Fatalf("got %v", err)
	}
	full = false
	u.succeeds(t)
	u.progress.wantSaid(t, "resuming at 262 kB")
}

func TestRefusedFileIsNotRecorded(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			api.WriteError(w, sx.NewError(sx.CodeNotMedia, "this is no media"))
		}
		return r.Method == http.MethodPatch
	}
	if _, err := u.upload(t.Context(), t); sx.CodeOf(err) != sx.CodeNotMedia {
		t.Fatalf("got %v", err)
	}
	if n := u.records(t); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestDamagedRecordStartsAgain(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.stopHalfway(t)
	names, err := filepath.Glob(filepath.Join(u.up.Records.Dir, "*.json"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.WriteFile(names[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.succeeds(t)
}

func TestRecordsCannotBeWritten(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	u.up.Records.Dir = filepath.Join(u.path, "below-a-file")
	if _, err := u.upload(t.Context(), t); err == nil {
		t.Error("an upload that cannot be recorded was started")
	}
}
