package page_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/chromium"
)

const password = chromium.Password

func TestMain(m *testing.M) {
	m.Run()
	chromium.Stop()
}

// mp3 is a second of sound with two chapters, which browsers can play.
func mp3(t *testing.T) []byte {
	t.Helper()
	testkit.Need(t, "ffmpeg")
	const chapters = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=Introduction\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=<b>Café</b>\n"
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=1",
		"-i", writeFile(t, "chapters.txt", []byte(chapters)), "-map_metadata", "1", "-f", "mp3", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// writeFile writes a file that can be uploaded and returns its path.
func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// failedJob is a job with a warning and an error.
func failedJob() sx.Job {
	j := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: "silent.mp4"}, Size: 1000}, time.Now())
	j.State, j.Attempt = sx.StateFailed, 1
	j.Warnings = []sx.Warning{{Code: "gap", Message: "the recording has a gap"}}
	j.Error = sx.NewError(sx.CodeNoAudio, "the video has no audio").WithHint("check the recording, or choose another file")
	return j
}
