package upload_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// bytesRead runs the command and returns how many bytes it read.
func bytesRead(t *testing.T, cmd *exec.Cmd) int64 {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid)) // its process still exists, as a zombie
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if err != nil {
		t.Skipf("the kernel does not count reads: %v", err)
	}
	match := regexp.MustCompile(`(?m)^rchar: (\d+)$`).FindSubmatch(raw)
	if match == nil {
		t.Fatalf("no rchar in %q", raw)
	}
	n, err := strconv.ParseInt(string(match[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A new file is read once for its identity and once to send it; a file whose identity is
// known, only to send it. Of a video whose audio is sent, nothing else is read.
func TestBytesRead(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	whole := filepath.Join(videos(t, 24*mb, "talk.mp4"), "talk.mp4")
	check := func(what string, got int64, sent int64, times float64) {
		t.Helper()
		t.Logf("%s: read %d bytes to send %d", what, got, sent)
		if limit := int64(float64(sent)*times) + 2*mb; got > limit || got < sent {
			t.Errorf("%s: %d bytes were read, at most %d are needed", what, got, limit)
		}
	}
	server, state := gateway.New(t), t.TempDir()
	check("a new file", bytesRead(t, child(t.Context(), accessTo(server), state, whole)), 24*mb, 2)
	check("a known file", bytesRead(t, child(t.Context(), accessTo(server), state, "--force", whole)), 24*mb, 1)

	testkit.Need(t, "ffmpeg")
	video := filepath.Join(t.TempDir(), "talk.mov")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x480:rate=10", "-f", "lavfi", "-i", "sine",
		"-t", "60", "-c:v", "mjpeg", "-q:v", "2", "-c:a", "pcm_s16le", video)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a video: %v\n%s", err, out)
	}
	got := bytesRead(t, child(t.Context(), accessTo(server), state, video))
	jobs := server.Jobs()
	sent := jobs[len(jobs)-1].Sent
	if !sent.AudioOnly {
		t.Fatalf("sent %+v", sent)
	}
	check("a video", got, sent.Size, 2)
}
