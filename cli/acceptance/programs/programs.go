// Package programs builds and runs sx and sxd for the acceptance tests and the
// benchmarks, with separate settings and data.
package programs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/soundextract/sx/server/testkit"
)

// Bin is the directory of the built programs.
type Bin struct{ Dir string }

// Build builds sx and sxd.
func (b Bin) Build(ctx context.Context) error {
	return testkit.Build(ctx, b.Dir, "github.com/soundextract/sx/cli/cmd/sx", "github.com/soundextract/sx/server/cmd/sxd")
}

// Path returns the path of a program.
func (b Bin) Path(program string) string { return filepath.Join(b.Dir, program) }

// NoExitPause is a variable of the environment that lets programs with the race detector
// exit at once. By default each waits for a second for races of goroutines that are left
// (https://go.dev/doc/articles/race_detector#Options), and the tests run hundreds of them.
const NoExitPause = "GORACE=atexit_sleep_ms=0"

// Env returns variables that put the settings, tokens and state of sx below home,
// apart from the user's own.
func (b Bin) Env(home string) []string {
	return []string{
		"HOME=" + home,
		"SX_CONFIG=" + filepath.Join(home, "config.yaml"),
		"SX_CREDENTIALS=file",
		"XDG_STATE_HOME=" + filepath.Join(home, "state"),
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"XDG_DATA_HOME=" + filepath.Join(home, "share"),
		"PATH=" + b.Dir + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"NO_COLOR=1",
		NoExitPause,
	}
}

// Command returns a command of sx with the settings below home.
func (b Bin) Command(ctx context.Context, home string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.Path("sx"), args...)
	cmd.Env = append(os.Environ(), b.Env(home)...)
	return cmd
}

// Server is the instance file of a running sxd.
type Server struct {
	PID int    `json:"pid"`
	URL string `json:"url"`
}

// Find returns the sxd that serves the data directory.
func Find(data string) (Server, error) {
	raw, err := os.ReadFile(filepath.Join(data, "sxd.json"))
	if err != nil {
		return Server{}, err
	}
	var s Server
	if err := json.Unmarshal(raw, &s); err != nil {
		return Server{}, fmt.Errorf("read sxd.json: %w", err)
	}
	return s, nil
}

// Kill kills the sxd that serves the data directory with SIGKILL. It reports whether
// there was one.
func Kill(data string) bool {
	s, err := Find(data)
	if err != nil {
		return false
	}
	p, err := os.FindProcess(s.PID)
	return err == nil && p.Kill() == nil
}
