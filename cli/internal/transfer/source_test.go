package transfer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// newVideoUpload is newUpload for a video of 7 MB, of which 3 MB are audio.
func newVideoUpload(t *testing.T) *uploadFixture {
	t.Helper()
	testkit.Need(t, "ffmpeg")
	path := filepath.Join(t.TempDir(), "talk.mov")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error",
		"-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10", "-f", "lavfi", "-i", "aevalsrc=0.3*sin(900*t)+0.1*random(0):s=44100:c=stereo",
		"-t", "16", "-vf", "noise=alls=40:allf=t", "-c:v", "mjpeg", "-q:v", "6", "-c:a", "pcm_s16le", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a video: %v\n%s", err, out)
	}
	video, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	u := newUploadOf(t, video)
	u.path = path
	u.video = u.audio(t)
	return u
}

// audio returns what is sent of the file.
func (u *uploadFixture) audio(t *testing.T) []byte {
	t.Helper()
	src, err := transfer.OpenSource(t.Context(), u.file(t), sx.Options{}, u.up.WholeFile)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if src.AudioOnly() == u.up.WholeFile {
		t.Fatalf("the whole file is sent: %s", src.WholeReason())
	}
	raw, err := io.ReadAll(io.NewSectionReader(src, 0, src.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestOnlyTheAudioIsSent(t *testing.T) {
	t.Parallel()
	u := newVideoUpload(t)
	sent := u.succeeds(t)
	if want := "audio1:" + gateway.Digest(u.video); !sent.AudioOnly || sent.Identity != want {
		t.Errorf("the identity is %s, want %s", sent.Identity, want)
	}
	info, err := os.Stat(u.path)
	if err != nil {
		t.Fatal(err)
	}
	u.progress.wantSaid(t, sx.FormatSize(int64(len(u.video)))+" of audio from "+sx.FormatSize(info.Size())+"; the video stays here")

	src, err := transfer.OpenSource(t.Context(), u.file(t), sx.Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if identity, err := src.Identity(t.Context()); err != nil || identity != sent.Identity {
		t.Errorf("Identity gave %s, %v", identity, err)
	}
}

func TestWholeFileIsSent(t *testing.T) {
	t.Parallel()
	u := newVideoUpload(t)
	u.up.WholeFile = true
	u.video = u.audio(t)
	if sent := u.succeeds(t); sent.AudioOnly || sent.Identity != "file1:"+gateway.Digest(u.video) {
		t.Errorf("sent %+v", sent)
	}
	u.progress.wantSaid(t, "the whole file is sent: --whole-file is given")
	if raw, err := os.ReadFile(u.path); err != nil || !bytes.Equal(raw, u.video) {
		t.Errorf("%d of %d bytes are a source", len(u.video), len(raw))
	}

	other := newUpload(t)
	other.succeeds(t)
	other.progress.wantSaid(t, "the whole file is sent: the audio cannot be taken out of")
}

func TestAudioResumes(t *testing.T) {
	t.Parallel()
	u := newVideoUpload(t)
	u.stopHalfway(t)
	u.succeeds(t)
	u.progress.wantSaid(t, "resuming at 1.3 MB of")
	if n := len(u.server.Jobs()); n != 1 {
		t.Errorf("%d uploads were started", n)
	}
}

func TestOtherFormStartsAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, u *uploadFixture){
		"whole file": func(t *testing.T, u *uploadFixture) {
			u.up.WholeFile = true
			u.video = u.audio(t)
		},
		"other index": func(t *testing.T, u *uploadFixture) { u.editRecord(t, "head", "00") },
		"other form":  func(t *testing.T, u *uploadFixture) { u.editRecord(t, "form", "audio0") },
		"other size":  func(t *testing.T, u *uploadFixture) { u.editRecord(t, "sent", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newVideoUpload(t)
			u.stopHalfway(t)
			change(t, u)
			u.succeeds(t)
			u.progress.wantSaid(t, "starting again")
			if n := len(u.server.Jobs()); n != 1 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

func TestCompleteUploadIsKeptWhenTheWholeFileFollows(t *testing.T) {
	t.Parallel()
	u := newVideoUpload(t)
	u.succeeds(t).Close()
	u.up.WholeFile = true
	u.video = u.audio(t)
	u.succeeds(t)
	if n := len(u.server.Jobs()); n != 2 {
		t.Errorf("there are %d jobs", n)
	}
}

// editRecord changes a field of the only record.
func (u *uploadFixture) editRecord(t *testing.T, field string, value any) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(u.up.Records.Dir, "*.json"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	raw, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(raw, &record); err != nil {
		t.Fatal(err)
	}
	record[field] = value
	if raw, err = json.Marshal(record); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(names[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVideoChangesWhileItsAudioIsSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"rewritten": func(path string) error { return os.Chtimes(path, time.Now(), time.Now().Add(time.Minute)) },
		"cut":       func(path string) error { return os.Truncate(path, 3<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newVideoUpload(t)
			u.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPatch && r.Header.Get("Upload-Offset") != "0" {
					if err := change(u.path); err != nil {
						t.Error(err)
					}
				}
				return false
			}
			_, err := u.upload(t.Context(), t)
			if known := sx.AsError(err); err == nil || known.Code != sx.CodeInvalid || !strings.Contains(known.Message, "changed during") {
				t.Errorf("got %v", err)
			}
			if n := len(u.server.Jobs()); n != 0 || u.records(t) != 0 {
				t.Errorf("%d jobs and %d records are left", n, u.records(t))
			}
		})
	}
}

func TestClosedSource(t *testing.T) {
	t.Parallel()
	u := newUpload(t)
	src, err := transfer.OpenSource(t.Context(), u.file(t), sx.Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	src.Close()
	if _, err := src.Identity(t.Context()); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a closed source gave %v", err)
	}
}
