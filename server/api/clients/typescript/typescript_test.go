package typescript_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestLockFile checks that packages come from the registry that npm is configured with.
func TestLockFile(t *testing.T) {
	t.Parallel()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(lock, []byte(`"resolved"`)) {
		t.Error("package-lock.json has addresses: set omit-lockfile-registry-resolved before npm install")
	}
}

// personalToken creates an account and returns a personal token of it.
func personalToken(t *testing.T, s *gateway.Server) string {
	t.Helper()
	c, err := client.New(s.URL, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Register(t.Context(), api.Credentials{Name: "ada@example.org", Password: "correct horse battery"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err = client.New(s.URL, &http.Client{Transport: client.Bearer{Token: tokens.AccessToken}}); err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateToken(t.Context(), api.NewToken{Name: "typescript", ExpiresIn: 3600})
	if err != nil {
		t.Fatal(err)
	}
	return made.Token
}

// readInputs makes the files inputs of this test, for go test, which keeps results: it does
// not see what other programs read.
func readInputs(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if _, err := os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStory generates the client, compiles it with the story, and runs that.
func TestStory(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "node", "npm")
	if _, err := os.Stat("node_modules"); err != nil {
		testkit.Missing(t, "the packages of package-lock.json are not installed")
	}
	readInputs(t, "package.json", "tsconfig.json", "src/index.ts", "src/story.ts")
	ctx, cancel := context.WithTimeout(t.Context(), 2*testkit.Timeout)
	defer cancel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, "npm", "run", "build").CombinedOutput(); err != nil {
		t.Fatalf("npm run build: %v\n%s", err, out)
	}
	video, mp3 := gateway.Media(3_000_000), bytes.Repeat([]byte("an MP3 "), 200_000)
	s := gateway.New(t, func(s *gateway.Server) {
		s.Convert = func([]byte) []byte { return mp3 }
	})
	dir := t.TempDir()
	for file, data := range map[string][]byte{"talk.wav": video, "notes.txt": []byte(strings.Repeat("hello world\n", 10_000))} {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(ctx, "node", filepath.Join(here, "dist", "story.js"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SX_SERVER="+s.URL, "SX_TOKEN="+personalToken(t, s))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	id := strings.TrimSpace(string(out))
	j := s.Job(id)
	if !bytes.Equal(s.Video(id), video) || j.Sent.Name != "Vortrag ÄÖ.wav" || j.Options.Preset != sx.PresetSpeech || !j.Options.Mono ||
		!slices.Equal(j.Labels, []string{"a", "b", "c"}) {
		t.Errorf("stored %+v", j)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "talk.mp3")); err != nil || !bytes.Equal(got, mp3) {
		t.Errorf("downloaded %d bytes, %v", len(got), err)
	}
	if n := len(s.Jobs()); n != 1 {
		t.Errorf("%d jobs, want one", n)
	}
}
