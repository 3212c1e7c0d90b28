package sandbox_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/testkit"
)

// TestScriptsOpenNoFiles gives ffmpeg scripts that name a file, without the options that
// would forbid it to open that.
func TestScriptsOpenNoFiles(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	needConfinement(t)
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	sound := filepath.Join(t.TempDir(), "secret.ts")
	if out, err := exec.CommandContext(t.Context(), program, "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", sound).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Chmod(sound, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, script, format string }{
		{"concat", "ffconcat version 1.0\nfile file:" + sound + "\n", "concat"},
		{"playlist", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://" + sound + "\n#EXT-X-ENDLIST\n", "hls"},
	} {
		args := []string{"-v", "error", "-protocol_whitelist", "file,pipe", "-f", tt.format}
		if tt.format == "concat" {
			args = append(args, "-safe", "0")
		}
		args = append(args, "-i", "pipe:0", "-f", "s16le", "pipe:1")
		for _, cfg := range []sandbox.Config{{}, {Unconfined: true}} {
			box, err := sandbox.New(t.Context(), cfg, slog.New(slog.DiscardHandler), program)
			if err != nil {
				t.Fatal(err)
			}
			var stderr strings.Builder
			cmd := box.Command(t.Context(), sandbox.Profile{CPU: time.Minute, File: 1 << 20, Memory: 2 << 30}, program, args...)
			cmd.Env, cmd.Stdin, cmd.Stderr = []string{"LC_ALL=C"}, strings.NewReader(tt.script), &stderr
			out, err := cmd.Output()
			if cfg.Unconfined && (err != nil || len(out) == 0) {
				t.Errorf("%s: without a sandbox: %v\n%s", tt.name, err, &stderr)
			}
			if !cfg.Unconfined && (len(out) > 0 || !strings.Contains(stderr.String(), sound)) {
				t.Errorf("%s: got %d bytes, %v\n%s", tt.name, len(out), err, &stderr)
			}
		}
	}
}
