package upload_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/upload"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// If these are set, the test binary runs sx upload: the server's URL, an
// access token and the state directory.
const (
	envServer = "SX_UPLOAD_TEST_SERVER"
	envToken  = "SX_UPLOAD_TEST_TOKEN"
	envState  = "SX_UPLOAD_TEST_STATE"
)

// access is the URL and the token of a server.
type access struct{ url, token string }

func accessTo(s *gateway.Server) access { return access{s.URL, s.Token} }

func TestMain(m *testing.M) {
	if server := os.Getenv(envServer); server != "" {
		f := newFactory(term.System(), access{server, os.Getenv(envToken)}, os.Getenv(envState))
		cmd := upload.NewCmd(f, nil)
		cmd.SetArgs(os.Args[1:])
		if err := cmd.ExecuteContext(context.Background()); err != nil {
			panic(err)
		}
		return
	}
	m.Run()
}

func newFactory(streams *term.IOStreams, server access, state string) *cmdutil.Factory {
	return &cmdutil.Factory{
		IO: streams,
		Config: func() (*config.Config, error) {
			return &config.Config{Server: server.url, Account: server.url, Parallel: 3, RetryTimeout: 20 * time.Second, StateDir: state}, nil
		},
		Client: func() (*client.Client, error) {
			return client.New(server.url, &http.Client{Transport: client.Bearer{Token: server.token}})
		},
	}
}

func videos(t *testing.T, size int, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), gateway.Media(size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func execute(t *testing.T, server access, state string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	streams, out, errOut := term.Test("")
	cmd := upload.NewCmd(newFactory(streams, server, state), nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errOut.String(), err
}

func TestFlags(t *testing.T) {
	t.Parallel()
	zero := 0
	tests := []struct {
		name    string
		args    []string
		want    *upload.Options
		wantErr string
	}{
		{"defaults", []string{"a"}, &upload.Options{Args: []string{"a"}}, ""},
		{"all", []string{"--json", "--parallel", "2", "--preset", "speech", "--quality", "0", "--mono", "--track", "eng", "--keep-all-tags", "a", "b"}, &upload.Options{
			Args: []string{"a", "b"}, JSON: true, Parallel: 2,
			Encoding: sx.Options{Preset: sx.PresetSpeech, Quality: &zero, Mono: true, Track: "eng", KeepAllTags: true},
		}, ""},
		{"bit rate", []string{"--bitrate", "192", "a"}, &upload.Options{Args: []string{"a"}, Encoding: sx.Options{Bitrate: 192}}, ""},
		{"nothing to upload", nil, nil, "file, directory or pattern required"},
		{"none at once", []string{"--parallel", "0", "a"}, nil, "--parallel must be at least 1"},
		{"no such preset", []string{"--preset", "loud", "a"}, nil, `unknown preset "loud"`},
		{"two ways to say it", []string{"--bitrate", "192", "--quality", "2", "a"}, nil, "mutually exclusive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			var got *upload.Options
			cmd := upload.NewCmd(newFactory(streams, access{}, ""), func(_ context.Context, o *upload.Options) error {
				got = o
				return nil
			})
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(tt.args)
			err := cmd.ExecuteContext(t.Context())
			if (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("got error %v, want %q", err, tt.wantErr)
			}
			if diff := clitest.DiffOptions(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestStdin uploads what a pipe delivers, with tags and labels.
func TestStdin(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	server, video := gateway.New(t), gateway.Media(300<<10)
	streams, out, errOut := term.Test(string(video))
	cmd := upload.NewCmd(newFactory(streams, accessTo(server), t.TempDir()), nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"-", "--title", "A Talk", "--artist", "Ada", "--album", "Talks", "--label", "maths", "--label", "week 1"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	jobs := server.Jobs()
	if len(jobs) != 1 || out.String() != jobs[0].ID+"\t"+jobs[0].Name+"\n" {
		t.Fatalf("printed %q, the server has %+v", out, jobs)
	}
	j := jobs[0]
	if want := (api.Options{Preset: sx.PresetStandard, Title: "A Talk", Artist: "Ada", Album: "Talks"}); j.Options != want || strings.Join(j.Labels, ",") != "maths,week 1" {
		t.Errorf("the job has the options %+v and the labels %q", j.Options, j.Labels)
	}
	if j.Sent.SHA256 != gateway.Digest(video) || j.Sent.Size != int64(len(video)) {
		t.Errorf("%d bytes with the digest %s were sent", j.Sent.Size, j.Sent.SHA256)
	}
	if !strings.Contains(errOut.String(), "reading standard input into a temporary file in "+temp) {
		t.Errorf("said %q", errOut)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	if _, _, err := execute(t, access{}, "", "--parallel", "-1", "x"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("got %T", err)
	}
}

func TestPiped(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	dir := videos(t, 400<<10, "b.mp4", "a.mp4")
	out, errOut, err := execute(t, accessTo(server), t.TempDir(), "--parallel", "1", dir)
	if err != nil {
		t.Fatal(err)
	}
	jobs := server.Jobs()
	if want := fmt.Sprintf("%s\ta.mp4\n%s\tb.mp4\n", jobs[0].ID, jobs[1].ID); out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	for _, want := range []string{"2 files, 819 kB\n", "a.mp4: uploading, 410 kB\n", "b.mp4: uploaded\n"} {
		if !strings.Contains(errOut, want) {
			t.Errorf("%q is not in %q", want, errOut)
		}
	}
	if strings.ContainsAny(errOut, "\r\x1b") {
		t.Errorf("control characters in %q", errOut)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	dir := videos(t, 400<<10, "a.mp4")
	out, _, err := execute(t, accessTo(server), t.TempDir(), "--json", dir+"/a.mp4")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	job := server.Jobs()[0]
	want := map[string]any{
		"id": job.ID, "name": "a.mp4", "size": 409600.0, "identity": "file1:" + job.Sent.SHA256,
		"sent": map[string]any{"name": "a.mp4", "size": 409600.0, "sha256": job.Sent.SHA256, "audio_only": false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOneBadFileDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	server.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.Contains(r.Header.Get("Upload-Metadata"), "Yi5tcDQ=") { // b.mp4
			api.WriteError(w, sx.NewError(sx.CodeQuotaExceeded, "your quota is used up"))
			return true
		}
		return false
	}
	dir := videos(t, 400<<10, "a.mp4", "b.mp4", "c.mp4")
	out, errOut, err := execute(t, accessTo(server), t.TempDir(), "--parallel", "1", dir)
	if strings.Count(out, "\n") != 2 {
		t.Errorf("got results %q", out)
	}
	if !strings.Contains(errOut, "b.mp4: your quota is used up\n  remove jobs that you no longer need with: sx rm ID") {
		t.Errorf("the error is not reported when it happens: %q", errOut)
	}
	if known := sx.AsError(err); known.Code != sx.CodeQuotaExceeded || known.Message != "1 of 3 failed: b.mp4: your quota is used up" {
		t.Errorf("got %+v", known)
	}
}

func TestNobodySignedIn(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	tries := 0
	server.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		tries++
		api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "who are you"))
		return true
	}
	dir := videos(t, 400<<10, "a.mp4", "b.mp4", "c.mp4")
	_, _, err := execute(t, accessTo(server), t.TempDir(), "--parallel", "1", dir)
	if known := sx.AsError(err); known.Code != sx.CodeUnauthenticated || !strings.Contains(known.Message, "2 not started") || tries != 1 {
		t.Errorf("after %d tries: %+v", tries, known)
	}
}

func TestResultThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	dir, state := videos(t, 400<<10, "a.mp4"), t.TempDir()
	streams, _, _ := term.Test("")
	streams.Out = brokenPipe{}
	cmd := upload.NewCmd(newFactory(streams, accessTo(server), state), nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{dir})
	if err := cmd.ExecuteContext(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("got %v", err)
	}
	out, _, err := execute(t, accessTo(server), state, dir)
	if jobs := server.Jobs(); err != nil || len(jobs) != 1 || !strings.HasPrefix(out, jobs[0].ID) {
		t.Errorf("the next run printed %q and made %d jobs: %v", out, len(server.Jobs()), err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// child returns a command that runs sx upload in a separate process.
func child(ctx context.Context, server access, state string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), envServer+"="+server.url, envToken+"="+server.token, envState+"="+state)
	return cmd
}

func TestKilledAndRunAgain(t *testing.T) {
	t.Parallel()
	dir, state := videos(t, 8<<20, "talk.mp4"), t.TempDir()
	ctx, kill := context.WithCancel(t.Context()) // SIGKILL, as exec.CommandContext does it
	defer kill()
	server := gateway.New(t, func(s *gateway.Server) {
		s.Cut = func(offset, _ int64) int64 {
			if offset > 0 && ctx.Err() == nil {
				return 2 << 20
			}
			return -1
		}
		s.Stored = func(p []byte) []byte {
			if len(p) == 2<<20 {
				kill()
			}
			return p
		}
	})
	if err := child(ctx, accessTo(server), state, dir+"/talk.mp4").Run(); err == nil {
		t.Fatal("the process was not killed")
	}
	again := child(t.Context(), accessTo(server), state, dir+"/talk.mp4")
	var errOut bytes.Buffer
	again.Stderr = &errOut
	out, err := again.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errOut.String())
	}
	jobs := server.Jobs()
	video, err := os.ReadFile(dir + "/talk.mp4")
	if err != nil || len(jobs) != 1 || jobs[0].Sent.SHA256 != gateway.Digest(video) {
		t.Errorf("jobs %+v, %v", jobs, err)
	}
	if want := jobs[0].ID + "\ttalk.mp4\n"; string(out) != want {
		t.Errorf("printed %q, want %q", out, want)
	}
	// How much was stored when the process died depends on how quickly it died.
	if !regexp.MustCompile(`talk\.mp4: resuming at [1-9][.0-9]* MB of 8\.4 MB`).MatchString(errOut.String()) {
		t.Errorf("it does not say that it resumes: %s", errOut.String())
	}
}

func TestWhatTheServerHasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	dir := videos(t, 400<<10, "a.mp4")
	if _, _, err := execute(t, accessTo(server), t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
	id := server.Jobs()[0].ID
	for name, state := range map[string]string{"this machine": t.TempDir(), "another": t.TempDir()} {
		out, errOut, err := execute(t, accessTo(server), state, dir, "--json")
		if err != nil || !strings.Contains(out, `"id":"`+id+`"`) || !strings.Contains(out, `"already_there":true`) || !strings.Contains(errOut, "the server has it already, as job "+id) {
			t.Errorf("%s: printed %q and %q: %v", name, out, errOut, err)
		}
	}
	if out, _, err := execute(t, accessTo(server), t.TempDir(), dir, "--preset", "speech", "--dry-run"); err != nil || out != "upload\ta.mp4\n" {
		t.Errorf("with other options: planned %q, %v", out, err)
	}
	if n := len(server.Jobs()); n != 1 {
		t.Errorf("there are %d jobs", n)
	}
	if _, _, err := execute(t, accessTo(server), t.TempDir(), dir, "--force"); err != nil || len(server.Jobs()) != 2 {
		t.Errorf("with --force: %d jobs, %v", len(server.Jobs()), err)
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	for _, files := range []int{3, 40} {
		t.Run(fmt.Sprint(files, " files"), func(t *testing.T) {
			t.Parallel()
			server := gateway.New(t)
			names := []string{"会議の録画 第一部.mp4", "🎬 a long name that does not fit in its column.mkv"}
			for i := len(names); i < files; i++ {
				names = append(names, fmt.Sprintf("talk %02d.mp4", i))
			}
			dir := videos(t, 300<<10, names...)
			cmd := child(t.Context(), accessTo(server), t.TempDir(), dir)
			term, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = term.Close() }()
			raw, _ := io.ReadAll(term) // ends with an error when the process does
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v: %s", err, raw)
			}
			results := regexp.MustCompile(`\x1b\[J[a-z2-7]{16}  \S`).FindAll(raw, -1)
			if len(results) != files {
				t.Errorf("%d results of %d in %q", len(results), files, raw)
			}
			if strings.Contains(string(raw), "\x1b[?25l") {
				t.Error("the cursor was hidden")
			}
			if !bytes.HasSuffix(raw, []byte("\n")) {
				t.Errorf("the cursor does not end on a line of its own: %q", raw)
			}
			if !strings.Contains(string(raw), "100%") {
				t.Error("no bar came to its end")
			}
			if got := strings.Contains(string(raw), " of 40 done"); got != (files == 40) {
				t.Errorf("there is a summary line: %v", got)
			}
		})
	}
}
