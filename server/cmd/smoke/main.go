// Command smoke is the Helm test: it converts a video on a running installation. It
// requires ffmpeg.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/smoke"
)

const (
	timeout = 4 * time.Minute
	seconds = 2
)

func main() { os.Exit(run()) }

func run() int {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := convert(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		return 1
	}
	return 0
}

func convert(ctx context.Context) error {
	cfg := smoke.Config{
		Server: os.Getenv("SX_SERVER"), Seconds: seconds, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	for file, value := range map[string]*string{"SX_NAME_FILE": &cfg.Name, "SX_PASSWORD_FILE": &cfg.Password, "SX_INVITATION_FILE": &cfg.Invitation} {
		data, err := os.ReadFile(os.Getenv(file))
		if err != nil {
			return fmt.Errorf("read the file in %s: %w", file, err)
		}
		*value = strings.TrimSpace(string(data))
	}
	var err error
	cfg.Clip, err = exec.CommandContext(ctx, "ffmpeg", "-v", "error",
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc=size=64x64:rate=5:duration=%d", seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=duration=%d", seconds),
		"-c:v", "mpeg4", "-c:a", "pcm_s16le", "-f", "matroska", "-").Output()
	if err != nil {
		return fmt.Errorf("create the video: %w", err)
	}
	return smoke.Run(ctx, cfg)
}
