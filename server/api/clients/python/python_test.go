package python_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/gateway"
)

const (
	name     = "ada@example.org"
	password = "correct horse battery"
)

// personalToken creates an account and returns a personal token of it.
func personalToken(t *testing.T, s *gateway.Server) string {
	t.Helper()
	c, err := client.New(s.URL, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Register(t.Context(), api.Credentials{Name: name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	if c, err = client.New(s.URL, &http.Client{Transport: client.Bearer{Token: tokens.AccessToken}}); err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateToken(t.Context(), api.NewToken{Name: "python", ExpiresIn: 3600})
	if err != nil {
		t.Fatal(err)
	}
	return made.Token
}

// TestStory uploads with broken connections and responses, waits, and downloads with a
// broken connection.
func TestStory(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "python3")
	for _, file := range []string{"soundextract.py", "testdata/story.py"} { // inputs, for go test, which keeps results
		if _, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	video, mp3 := gateway.Media(3_000_000), bytes.Repeat([]byte("an MP3 "), 200_000)
	var cuts, lost, downloads atomic.Int32
	s := gateway.New(t, func(s *gateway.Server) {
		s.Convert = func([]byte) []byte { return mp3 }
		s.Cut = func(offset, length int64) int64 {
			if offset > 0 && cuts.Add(1) == 1 {
				return 1_000_000
			}
			return -1
		}
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case r.Method == http.MethodPost && r.URL.Path == api.PathUploads && lost.Add(1) == 1:
				api.WriteError(w, sx.NewError(sx.CodeUnavailable, "the server is starting"))
				return true
			case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/tracks/") && downloads.Add(1) == 1:
				w.Header().Set("ETag", `"`+gateway.Digest(mp3)+`"`)
				w.Header().Set("Content-Length", "1400000")
				_, _ = w.Write(mp3[:500_000])
				panic(http.ErrAbortHandler)
			}
			return false
		}
	})
	token := personalToken(t, s)
	failed := sx.NewJob("", sx.NewUpload{Source: sx.Source{Name: "silent.mp4"}, Size: 1}, testkit.NewClock().Now())
	failed.State, failed.Error = sx.StateFailed, sx.NewError(sx.CodeNoAudio, "the video has no sound").WithHint("check the recording")
	s.AddJobs(name, failed)

	dir := t.TempDir()
	for file, data := range map[string][]byte{"talk.wav": video, "notes.txt": []byte(strings.Repeat("hello world\n", 10_000))} {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*testkit.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "python3", "-W", "error", filepath.Join(here, "testdata", "story.py"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONPATH="+here, "PYTHONDONTWRITEBYTECODE=1", "SX_SERVER="+s.URL, "SX_TOKEN="+token, "FAILED_JOB="+failed.ID)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	id := strings.TrimSpace(string(out))
	j := s.Job(id)
	if !bytes.Equal(s.Video(id), video) || j.Options.Preset != sx.PresetSpeech || !j.Options.Mono ||
		j.Options.Title != "Ein Vortrag über ÄÖ" || !slices.Equal(j.Labels, []string{"a", "b"}) {
		t.Errorf("stored %+v", j)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "talk.mp3")); err != nil || !bytes.Equal(got, mp3) {
		t.Errorf("downloaded %d bytes, %v", len(got), err)
	}
	if lost.Load() < 2 || cuts.Load() < 2 || downloads.Load() != 2 {
		t.Errorf("%d creations, %d parts and %d downloads: not all faults happened", lost.Load(), cuts.Load(), downloads.Load())
	}
	for _, j := range s.Jobs() {
		if j.ID != id && j.ID != failed.ID {
			t.Errorf("the job %s of %s is left", j.ID, j.Name)
		}
	}
}
