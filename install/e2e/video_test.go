//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/mp3"
)

// makeVideo creates a video of the given length in seconds with the given tone.
// Its audio is uncompressed: about 176 kB per second.
func (o *operator) makeVideo(name string, seconds, tone int) string {
	o.t.Helper()
	path := filepath.Join(o.t.TempDir(), name)
	o.ffmpeg("-f", "lavfi", "-i", fmt.Sprintf("testsrc=size=64x64:rate=2:duration=%d", seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=%d:sample_rate=44100:duration=%d", tone, seconds),
		"-c:v", "mpeg4", "-c:a", "pcm_s16le", "-ac", "2", path)
	return path
}

// makeLong creates a video of the given length in seconds that takes a long time to
// convert but is small, about 60 kB per hour, because its picture and sound do
// not change.
func (o *operator) makeLong(name string, seconds int) string {
	o.t.Helper()
	path := filepath.Join(o.t.TempDir(), name)
	o.ffmpeg("-f", "lavfi", "-i", fmt.Sprintf("color=size=16x16:rate=1/60:duration=%d", seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc=0.2:sample_rate=44100:duration=%d", seconds),
		"-c:v", "mpeg4", "-c:a", "flac", "-frame_size", "65535", "-sample_fmt", "s16", path)
	return path
}

func (o *operator) ffmpeg(args ...string) {
	o.t.Helper()
	cmd := exec.CommandContext(o.ctx, "ffmpeg", append([]string{"-v", "error"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		o.t.Fatalf("create a video: %v\n%s", err, out)
	}
}

// job contains the fields of sx's JSON that the tests read.
type job struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	State   string      `json:"state"`
	History api.History `json:"history"`
	Tracks  []struct {
		SHA256   string  `json:"sha256"`
		Duration float64 `json:"duration"`
	} `json:"tracks"`
}

// job returns a job once the server is available, because a component may be
// starting.
func (o *operator) job(id string) job {
	o.t.Helper()
	var r result
	o.eventually(o.ctx, "sx show "+id, func(context.Context) bool {
		r = o.try("show", id, "--json")
		return r.code != 69
	})
	if r.code != 0 {
		o.t.Fatalf("sx show %s exited with %d: %s", id, r.code, r.all())
	}
	return decode[job](o, r.stdout)
}

func decode[T any](o *operator, text string) T {
	o.t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		o.t.Fatalf("%v in %s", err, text)
	}
	return v
}

// lines decodes one JSON value per line.
func lines[T any](o *operator, text string) []T {
	o.t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		all = append(all, decode[T](o, line))
	}
	return all
}

// download downloads a job's MP3 and checks it against the job's digest.
func (o *operator) download(id string) string {
	o.t.Helper()
	path := filepath.Join(o.t.TempDir(), id+".mp3")
	o.sx("download", id, "-o", path)
	track, err := os.ReadFile(path)
	if err != nil {
		o.t.Fatal(err)
	}
	sum := sha256.Sum256(track)
	got := hex.EncodeToString(sum[:])
	if want := o.job(id).Tracks[0].SHA256; got != want {
		o.t.Errorf("the MP3 of %s has the digest %s, but the job has %s", id, got, want)
	}
	// There is no tag in front of it, because the videos have none.
	if _, err := mp3.ReadInfo(track); err != nil {
		o.t.Errorf("the MP3 of %s does not begin like one: %v", id, err)
	}
	return got
}
