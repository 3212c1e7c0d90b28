package download_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/download"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func run(t *testing.T, server *gateway.Server, tty bool, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	streams, out, errOut := term.Test("")
	streams.OutTTY = tty
	state := t.TempDir()
	cmd := download.NewCmd(&cmdutil.Factory{
		IO: streams,
		Config: func() (*config.Config, error) {
			return &config.Config{Account: "here", Parallel: 2, RetryTimeout: 20 * time.Second, StateDir: state}, nil
		},
		Client: func() (*client.Client, error) { return server.Client(t), nil },
	}, nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errOut.String(), err
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"nothing":              nil,
		"ids and all":          {"--all", "x"},
		"two to the stream":    {"x", "y", "-o", "-"},
		"all to the stream":    {"--all", "-o", "-"},
		"JSON with the stream": {"x", "--json", "-o", "-"},
	} {
		if _, _, err := run(t, gateway.New(t), false, args...); cmdutil.ErrorCode(err) != sx.CodeUsage {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestFlagsReachTheRun(t *testing.T) {
	t.Parallel()
	streams, _, _ := term.Test("")
	var got download.Options
	cmd := download.NewCmd(&cmdutil.Factory{IO: streams}, func(_ context.Context, o *download.Options) error {
		got = *o
		return nil
	})
	cmd.SetArgs([]string{"a", "b", "a", "-o", "x/", "--force", "--json"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := download.Options{IDs: []string{"a", "b"}, Output: "x/", Force: true, JSON: true}
	if diff := clitest.DiffOptions(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOne(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	id := server.Add("talk.mp4", sx.StateDone, []byte("sound"))
	path := filepath.Join(dir, "talk.mp3")
	out, errOut, err := run(t, server, false, id, "-o", dir)
	if err != nil || out != path+"\n" || !strings.Contains(errOut, "talk.mp4: downloaded\n") {
		t.Fatalf("printed %q and %q: %v", out, errOut, err)
	}
	if got, _ := os.ReadFile(path); string(got) != "sound" {
		t.Errorf("wrote %q", got)
	}
	out, errOut, err = run(t, server, false, id, "-o", dir, "--json")
	var got map[string]any
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || !strings.Contains(errOut, "already there") {
		t.Fatalf("printed %q and %q: %v", out, errOut, err)
	}
	want := map[string]any{
		"id": id, "path": path, "already_there": true, "size": 5.0, "sha256": gateway.Digest([]byte("sound")), "duration": 30.0, "warnings": []any{},
		"sources": []any{map[string]any{"name": "talk.mp4", "size": 1000.0}},
		"sent":    map[string]any{"name": "talk.mp4", "size": 1000.0, "audio_only": false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	server.Change(id, func(j *sx.Job) { j.Warnings = []sx.Warning{sx.NewWarning(sx.WarningTags, "the cover is lost")} })
	for _, to := range []string{dir, "-"} {
		if _, errOut, err := run(t, server, false, id, "-o", to); err != nil || !strings.HasSuffix(errOut, "talk.mp4: warning: the cover is lost\n") {
			t.Errorf("printed %q: %v", errOut, err)
		}
	}
	if out, _, err := run(t, server, false, id, "-o", "-"); err != nil || out != "sound" {
		t.Errorf("the stream got %q: %v", out, err)
	}
	if _, _, err := run(t, server, true, id, "-o", "-"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("to the terminal: %v", err)
	}
}

func TestAll(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), filepath.Join(t.TempDir(), "new")
	if _, errOut, err := run(t, server, false, "--all"); err != nil || !strings.Contains(errOut, "no finished jobs") {
		t.Errorf("without jobs: %q, %v", errOut, err)
	}
	server.Add("talk.mp4", sx.StateDone, []byte("first"))
	server.Add("talk.mp4", sx.StateRunning, nil)
	server.Add("talk.mkv", sx.StateDone, []byte("second"))
	for range 2 {
		out, _, err := run(t, server, false, "--all", "-o", dir)
		if err != nil || strings.Count(out, "\n") != 2 {
			t.Fatalf("printed %q: %v", out, err)
		}
		for name, want := range map[string]string{"talk.mp3": "first", "talk (2).mp3": "second"} {
			if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
				t.Errorf("%s is %q", name, got)
			}
		}
	}
}

// TestPathsAreAsGiven checks that the path of an MP3 that is there already is printed like
// that of a new one.
func TestPathsAreAsGiven(t *testing.T) {
	here, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(here)
	server := gateway.New(t)
	server.Add("talk.mp4", sx.StateDone, []byte("first"))
	for _, dir := range []string{"relative", filepath.Join(here, "absolute")} {
		for _, when := range []string{"new", "there already"} {
			out, _, err := run(t, server, false, "--all", "-o", dir)
			if want := filepath.Join(dir, "talk.mp3") + "\n"; err != nil || out != want {
				t.Errorf("%s: printed %q, want %q: %v", when, out, want, err)
			}
		}
	}
}

// TestDryRun checks that --dry-run says what would be written, also to standard output,
// and writes nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	talk := server.Add("talk.mp4", sx.StateDone, []byte("first"))
	server.Add("song.mkv", sx.StateDone, []byte("second"))
	there := filepath.Join(dir, "talk.mp3")
	if err := os.WriteFile(there, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, err := run(t, server, false, "--all", "-o", dir, "--dry-run")
	if err != nil || out != "download\tsong.mkv\t"+filepath.Join(dir, "song.mp3")+"\n" || !strings.Contains(errOut, "talk.mp4: already there\n") {
		t.Errorf("printed %q and %q: %v", out, errOut, err)
	}
	out, _, err = run(t, server, false, talk, "-o", "-", "--dry-run")
	if err != nil || out != "download\ttalk.mp4\n" {
		t.Errorf("to the stream: printed %q: %v", out, err)
	}
	if _, _, err := run(t, server, false, talk, "-o", filepath.Join(there, "talk.mp3"), "--dry-run"); err == nil {
		t.Error("a file in the place of the directory is not noticed")
	}
	found, err := os.ReadDir(dir)
	if err != nil || len(found) != 1 {
		t.Errorf("it wrote something: %v, %v", found, err)
	}
}

func TestInvalidCombinations(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	good, running := server.Add("a.mp4", sx.StateDone, []byte("a")), server.Add("b.mp4", sx.StateRunning, nil)
	out, errOut, err := run(t, server, false, "nosuchjob", running, good, "-o", dir)
	if known := sx.AsError(err); known.Code != sx.CodeNotFound && known.Code != sx.CodeInvalid || !strings.HasPrefix(known.Message, "2 of 3 failed") {
		t.Errorf("got %+v", known)
	}
	if out != filepath.Join(dir, "a.mp3")+"\n" || !strings.Contains(errOut, "wait for it with: sx watch "+running) {
		t.Errorf("printed %q and %q", out, errOut)
	}
	file := filepath.Join(dir, "a.mp3")
	if _, _, err := run(t, server, false, good, running, "-o", file); !strings.Contains(err.Error(), "is not a directory") {
		t.Errorf("several in one file: %v", err)
	}
	server.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "who are you"))
		return true
	}
	if _, _, err := run(t, server, false, good); sx.CodeOf(err) != sx.CodeUnauthenticated {
		t.Errorf("got %v", err)
	}
}

// A job with several MP3s has a directory.
func TestSeveralOfOneJob(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	id := server.Add("week1/talk.mp4", sx.StateDone, []byte("one"), []byte("two"))
	single := server.Add("other.mp4", sx.StateDone, []byte("sound"))
	first, second := filepath.Join(dir, "week1/talk/talk - 01 - one.mp3"), filepath.Join(dir, "week1/talk/talk - 02 - two.mp3")
	out, errOut, err := run(t, server, false, id, "-o", dir)
	if err != nil || out != first+"\n"+second+"\n" || !strings.Contains(errOut, "week1/talk.mp4: downloaded\n") {
		t.Fatalf("printed %q and %q: %v", out, errOut, err)
	}
	for path, want := range map[string]string{first: "one", second: "two"} {
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	out, _, err = run(t, server, false, "--all", "-o", dir, "--json")
	if err != nil || strings.Count(out, "\n") != 3 || strings.Count(out, `"already_there":true`) != 1 || strings.Count(out, `"number":2`) != 1 {
		t.Errorf("printed %q: %v", out, err)
	}
	if _, errOut, err = run(t, server, false, "--all", "-o", dir); err != nil || strings.Count(errOut, ": already there\n") != 2 {
		t.Errorf("printed %q: %v", errOut, err)
	}
	if _, _, err := run(t, server, false, id, "-o", "-"); cmdutil.ErrorCode(err) != sx.CodeInvalid || !strings.Contains(err.Error(), "2 MP3s") {
		t.Errorf("to the stream: %v", err)
	}
	if _, _, err := run(t, server, false, id, "-o", filepath.Join(dir, "x.mp3")); cmdutil.ErrorCode(err) != sx.CodeInvalid {
		t.Errorf("to one file: %v", err)
	}
	if _, _, err := run(t, server, false, single, "-o", filepath.Join(dir, "x.mp3")); err != nil {
		t.Error(err)
	}
}
