package acceptance_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestKilledAudioUpload kills sx in the middle of an upload of a video's audio. The next
// run continues it, and the MP3 is that of the whole file.
func TestKilledAudioUpload(t *testing.T) {
	t.Parallel()
	build(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	p := newUser(t, ctx)
	video := filepath.Join(t.TempDir(), "talk.mov")
	makeVideo(t, video)

	first := p.command("upload", "--bwlimit", "400k", video)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a part of the audio", func() bool {
		jobs := p.jobs()
		return len(jobs) == 1 && jobs[0].State == sx.StateUploading && jobs[0].Progress > 10
	})
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // it was killed

	second := p.command("convert", video, "-o", filepath.Join(p.home, "audio.mp3"))
	out, err := second.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "resuming at ") || !strings.Contains(string(out), "the video stays here") {
		t.Fatalf("the second run: %v\n%s", err, out)
	}
	if n := len(p.jobs()); n != 1 {
		t.Errorf("there are %d jobs", n)
	}
	p.sx("convert", "--whole-file", "--force", video, "-o", filepath.Join(p.home, "whole.mp3"))
	audio, err := os.ReadFile(filepath.Join(p.home, "audio.mp3"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(p.home, "whole.mp3"))
	if err != nil || !bytes.Equal(audio, whole) {
		t.Errorf("the MP3s of %d and %d bytes are different: %v", len(audio), len(whole), err)
	}
}

// TestVideoChangesDuringItsUpload changes a video while its audio is sent.
func TestVideoChangesDuringItsUpload(t *testing.T) {
	t.Parallel()
	build(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	p := newUser(t, ctx)
	video := filepath.Join(t.TempDir(), "talk.mov")
	makeVideo(t, video)
	cmd := p.command("upload", "--bwlimit", "800k", video)
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a part of the audio", func() bool {
		jobs := p.jobs()
		return len(jobs) == 1 && jobs[0].Progress > 10
	})
	f, err := os.OpenFile(video, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("more"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != sx.ExitBadInput || !strings.Contains(out.String(), "changed during the upload") {
		t.Errorf("sx upload ended with %v\n%s", err, out.String())
	}
	if n := len(p.jobs()); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
}

// makeVideo creates a video of 7 MB, of which 3 MB are audio.
func makeVideo(t *testing.T, path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error",
		"-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
		"-t", "16", "-vf", "noise=alls=40:allf=t", "-c:v", "mjpeg", "-q:v", "6", "-ac", "2", "-c:a", "pcm_s16le", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a video: %v\n%s", err, out)
	}
}
