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

	"github.com/soundextract/sx/cli/internal/mediafiles"
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

// TestIdentity changes everything else that becomes part of the MP3, and what does not.
func TestIdentity(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	ffmpeg := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	const chapters = ";FFMETADATA1\ntitle=Talk\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=First\n[CHAPTER]\nTIMEBASE=1/1\nSTART=1\nEND=2\ntitle=Second\n"
	if err := os.WriteFile(at("chapters"), []byte(chapters), 0o600); err != nil {
		t.Fatal(err)
	}
	ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10", "-f", "lavfi", "-i", "sine", "-t", "2", "-c:v", "mpeg4", "-c:a", "aac", "-metadata", "title=Talk", at("plain.mp4"))
	ffmpeg("-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1", at("cover.png"))
	ffmpeg("-i", at("plain.mp4"), "-map", "0", "-c", "copy", "-metadata", "title=Another talk", at("title.mp4"))
	ffmpeg("-i", at("plain.mp4"), "-i", at("chapters"), "-map", "0", "-map_metadata", "1", "-map_chapters", "1", "-c", "copy", at("chapters.mp4"))
	ffmpeg("-i", at("plain.mp4"), "-i", at("cover.png"), "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic", at("cover.mp4"))
	raw, err := os.ReadFile(at("plain.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("copy.mp4"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	of := map[string]string{} // the file with the identity
	for _, name := range []string{"plain.mp4", "title.mp4", "chapters.mp4", "cover.mp4", "copy.mp4"} {
		info, err := os.Stat(at(name))
		if err != nil {
			t.Fatal(err)
		}
		src, err := transfer.OpenSource(t.Context(), mediafiles.File{Path: at(name), Name: name, Size: info.Size(), ModTime: info.ModTime()}, sx.Options{}, false)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		identity, err := src.Identity(t.Context())
		if err != nil || !strings.HasPrefix(identity, "audio1:") {
			t.Fatalf("%s: %q, %v", name, identity, err)
		}
		switch other := of[identity]; {
		case name == "copy.mp4":
			if other != "plain.mp4" {
				t.Errorf("a copy of plain.mp4 has the identity of %q", other)
			}
		case other != "":
			t.Errorf("%s and %s have the same identity", name, other)
		default:
			of[identity] = name
		}
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

func TestOtherIdentityStartsAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, u *uploadFixture){
		"whole file": func(t *testing.T, u *uploadFixture) {
			u.up.WholeFile = true
			u.video = u.audio(t)
		},
		"other identity": func(t *testing.T, u *uploadFixture) { u.editRecord(t, "identity", "audio0:00") },
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

// A known identity that is no longer correct is detected, and what was sent is kept.
func TestKnownIdentityIsWrong(t *testing.T) {
	t.Parallel()
	u := newVideoUpload(t)
	path := u.file(t).Path
	know := func() string {
		t.Helper()
		in := u.up.Open(t.Context(), u.file(t), sx.Options{})
		defer in.Close()
		identity, err := in.Identity(u.progress)
		if err != nil {
			t.Fatal(err)
		}
		return identity
	}
	right := know()
	u.up.Files.Forget(path, "audio1 ")
	if _, err := u.up.Files.Identity(path, "audio1 ", func() (string, error) { return "audio1:00", nil }); err != nil {
		t.Fatal(err)
	}
	if know() != "audio1:00" {
		t.Fatal("the wrong identity is not known")
	}
	if sent := u.succeeds(t); sent.Identity != right || know() != right {
		t.Errorf("sent %s, then known %s", sent.Identity, know())
	}
}
