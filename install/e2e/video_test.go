//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// makeVideo makes a video of so many seconds with a tone of its own. Its sound
// is not compressed: about 176 kB a second.
func (o *operator) makeVideo(name string, seconds, tone int) string {
	o.t.Helper()
	path := filepath.Join(o.t.TempDir(), name)
	o.ffmpeg("-f", "lavfi", "-i", fmt.Sprintf("testsrc=size=64x64:rate=2:duration=%d", seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=%d:sample_rate=44100:duration=%d", tone, seconds),
		"-c:v", "mpeg4", "-c:a", "pcm_s16le", "-ac", "2", path)
	return path
}

// makeLong makes a video of so many seconds that takes a while to convert and is
// still small, about 60 kB an hour: its picture and its sound stay the same.
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
		o.t.Fatalf("make a video: %v\n%s", err, out)
	}
}

// job is what the tests read of sx's JSON.
type job struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	State  string `json:"state"`
	Tracks []struct {
		SHA256   string  `json:"sha256"`
		Duration float64 `json:"duration"`
	} `json:"tracks"`
}

// job shows a job, as soon as the service is there: a part may just be starting.
func (o *operator) job(id string) job {
	o.t.Helper()
	var r result
	o.eventually(o.ctx, "sx show "+id, func(context.Context) bool {
		r = o.try("show", id, "--json")
		return r.code != 69
	})
	if r.code != 0 {
		o.t.Fatalf("sx show %s ended with %d: %s", id, r.code, r.all())
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

// lines decodes one JSON value a line.
func lines[T any](o *operator, text string) []T {
	o.t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		all = append(all, decode[T](o, line))
	}
	return all
}

// download fetches a job's MP3 and checks it against what the server says.
func (o *operator) download(id string) string {
	o.t.Helper()
	path := filepath.Join(o.t.TempDir(), id+".mp3")
	o.sx("download", id, "-o", path)
	mp3, err := os.ReadFile(path)
	if err != nil {
		o.t.Fatal(err)
	}
	sum := sha256.Sum256(mp3)
	got := hex.EncodeToString(sum[:])
	if want := o.job(id).Tracks[0].SHA256; got != want {
		o.t.Errorf("the MP3 of %s has the digest %s, the server says %s", id, got, want)
	}
	if !bytes.HasPrefix(mp3, []byte("ID3")) {
		o.t.Errorf("the MP3 of %s begins with %q", id, mp3[:min(4, len(mp3))])
	}
	return got
}
