package ffmpeg_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestTemporaryFiles(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	dir := t.TempDir()
	left, foreign := filepath.Join(dir, "conversion-1"), filepath.Join(dir, "notes")
	for _, d := range []string{left, foreign} {
		if err := os.MkdirAll(filepath.Join(d, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tc := transcoder(t, func(c *ffmpeg.Config) { c.TempDir = dir })
	if _, _, err := convertWith(t.Context(), t, tc, media(t, "in.mp4", video()...), sx.Options{}); err != nil {
		t.Fatalf("%v\n%s", err, causes(err))
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != "notes" {
		t.Errorf("the directory contains %v, %v, want only what is not the converter's", entries, err)
	}
}

func TestInvalidTempDir(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ffmpeg.New(t.Context(), ffmpeg.Config{TempDir: file, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("no error")
	}
}
