package testkit

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// MakeVideos creates a video for each length in seconds and returns their paths. Their
// uncompressed audio, 176 kB per second, is different in each.
func MakeVideos(tb testing.TB, seconds ...int) []string {
	tb.Helper()
	dir := tb.TempDir()
	var paths []string
	for i, n := range seconds {
		path := filepath.Join(dir, fmt.Sprintf("talk%02d.mkv", i))
		cmd := exec.CommandContext(tb.Context(), "ffmpeg", "-v", "error",
			"-f", "lavfi", "-i", fmt.Sprintf("testsrc=size=64x64:rate=2:duration=%d", n),
			"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc=0.3*sin(%d*t)+0.1*random(0):s=44100:d=%d:c=stereo", 1000+100*i, n),
			"-c:v", "mpeg4", "-c:a", "pcm_s16le", path)
		if out, err := cmd.CombinedOutput(); err != nil {
			tb.Fatalf("make a video: %v\n%s", err, out)
		}
		paths = append(paths, path)
	}
	return paths
}
