package convert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/convert"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

type fixture struct {
	server *gateway.Server
	state  string
	dir    string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{server: gateway.New(t), state: t.TempDir(), dir: t.TempDir()}
	f.server.Convert = func(video []byte) []byte { return append([]byte("sound of "), video...) }
	for _, name := range []string{"a.mp4", "b.mp4", "c.mp4"} {
		if err := os.WriteFile(filepath.Join(f.dir, name), videoOf(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// videoOf returns the contents of the file with the name.
func videoOf(name string) []byte { return gateway.AsMedia(bytes.Repeat([]byte(name), 100_000)) }

func (f *fixture) file(name string) string { return filepath.Join(f.dir, name) }

func (f *fixture) run(ctx context.Context, t *testing.T, tty bool, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return f.runWith(ctx, t, "", tty, args...)
}

func (f *fixture) runWith(ctx context.Context, t *testing.T, in string, tty bool, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	streams, out, errOut := term.Test(in)
	streams.OutTTY = tty
	err = f.runOn(ctx, t, streams, args...)
	return out.String(), errOut.String(), err
}

func (f *fixture) runOn(ctx context.Context, t *testing.T, streams *term.IOStreams, args ...string) error {
	t.Helper()
	cmd := convert.NewCmd(&cmdutil.Factory{
		IO: streams,
		Config: func() (*config.Config, error) {
			return &config.Config{Account: "here", Parallel: 1, RetryTimeout: 20 * time.Second, StateDir: f.state}, nil
		},
		Client: func() (*client.Client, error) { return f.server.Client(t), nil },
	}, nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

func (f *fixture) check(t *testing.T, path, video string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if want := "sound of " + string(videoOf(video)); err != nil || string(got) != want {
		t.Errorf("%s has %d bytes: %v", path, len(got), err)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.CheckFlags(t, convert.NewCmd, convert.Options{Args: []string{"a"}}, "a")
	clitest.CheckFlags(t, convert.NewCmd, convert.Options{
		Args: []string{"a", "b"}, Encoding: sx.Options{Preset: sx.PresetSpeech, Mono: true, Track: "2", KeepAllTags: true},
		Labels: []string{"a"}, WholeFile: true, Bandwidth: "1M",
		Join: true, Output: "x/", Flat: true, Force: true, Checksum: true, DryRun: true, Parallel: 2, JSON: true,
	}, "a", "b", "--preset", "speech", "--mono", "--track", "2", "--keep-all-tags", "--label", "a", "--whole-file", "--bwlimit", "1M",
		"--join", "-o", "x/", "--flat", "--force", "--checksum", "--dry-run", "--parallel", "2", "--json")
}

func TestConvert(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	out, errOut, err := f.run(t.Context(), t, false, f.file("a.mp4"), "-o", f.file("x.mp3"))
	if err != nil || out != f.file("x.mp3")+"\n" {
		t.Fatalf("printed %q: %v", out, err)
	}
	f.check(t, f.file("x.mp3"), "a.mp4")
	for _, want := range []string{"a.mp4: uploading, 500 kB", "a.mp4: downloading, 500 kB", "a.mp4: converted"} {
		if !strings.Contains(errOut, want) {
			t.Errorf("%q is not in %q", want, errOut)
		}
	}
	if left, _ := filepath.Glob(f.state + "/uploads/*.json"); len(left) != 0 {
		t.Errorf("records are left: %v", left)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	out, _, err := f.run(t.Context(), t, true, f.file("a.mp4"), "-o", f.file("out")+"/")
	if want := filepath.Join(f.dir, "out", "a.mp3") + "  0:30  133 kbit/s  500 kB\n"; err != nil || out != want {
		t.Errorf("on a terminal got %q, want %q: %v", out, want, err)
	}
	out, _, err = f.run(t.Context(), t, false, "--json", f.file("b.mp4"), "-o", f.file("out"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	job := f.server.Jobs()[1]
	want := map[string]any{
		"id": job.ID, "name": "b.mp4", "path": filepath.Join(f.dir, "out", "b.mp3"),
		"size": 500009.0, "sha256": job.Track(1).SHA256, "duration": 30.0, "warnings": []any{},
		"sources": []any{map[string]any{"name": "b.mp4", "size": 500000.0, "sha256": job.Sent.SHA256, "identity": "file1:" + job.Sent.SHA256}},
		"sent":    map[string]any{"name": "b.mp4", "size": 500000.0, "sha256": job.Sent.SHA256, "audio_only": false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	out, _, err = f.run(t.Context(), t, false, f.file("c.mp4"), "-o", "-")
	if err != nil || out != "sound of "+string(videoOf("c.mp4")) {
		t.Errorf("%d bytes came to the stream: %v", len(out), err)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathEvents {
			for _, j := range f.server.Jobs() {
				f.server.Change(j.ID, func(j *sx.Job) {
					j.Warnings = []sx.Warning{{Code: "truncated", Message: "the sound ends early"}, {Code: "tags", Message: "the cover is lost"}}
				})
			}
		}
		return false
	}
	const lines = "\na.mp4: warning: the sound ends early\na.mp4: warning: the cover is lost\n"
	for _, args := range [][]string{
		{f.file("a.mp4"), "-o", f.file("x.mp3")},
		{f.file("a.mp4"), "-o", "-"},
		{f.file("a.mp4"), "-o", f.file("x.mp3"), "--json", "--force"},
	} {
		out, errOut, err := f.run(t.Context(), t, false, args...)
		if err != nil || !strings.HasSuffix(errOut, lines) {
			t.Errorf("%v: printed %q: %v", args, errOut, err)
		}
		if slices.Contains(args, "--json") && !strings.Contains(out,
			`"warnings":[{"code":"truncated","message":"the sound ends early"},{"code":"tags","message":"the cover is lost"}]`) {
			t.Errorf("printed %s", out)
		}
	}
}

func TestTheTargetIsCheckedBeforeTheUpload(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := os.WriteFile(f.file("a.mp3"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := f.run(t.Context(), t, false, f.file("a.mp4"), "-o", f.dir)
	if known := sx.AsError(err); !strings.Contains(known.Message, "already exists") || len(f.server.Jobs()) != 0 {
		t.Errorf("after %d uploads: %+v", len(f.server.Jobs()), known)
	}
	if _, _, err := f.run(t.Context(), t, false, f.file("a.mp4"), "-o", f.dir, "--force"); err != nil {
		t.Error(err)
	}
	f.check(t, f.file("a.mp3"), "a.mp4")
	_, _, err = f.run(t.Context(), t, false, f.file("a.mp4"), f.file("b.mp4"), "-o", f.file("a.mp3"))
	if known := sx.AsError(err); !strings.Contains(known.Message, "is not a directory") {
		t.Errorf("got %+v", known)
	}
	if _, _, err = f.run(t.Context(), t, false, f.file("a.mp4"), f.file("b.mp4"), "-o", "-"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("several to the stream: %v", err)
	}
	if _, _, err = f.run(t.Context(), t, true, f.file("a.mp4"), "-o", "-"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("to the terminal: %v", err)
	}
	if _, _, err = f.run(t.Context(), t, false, f.file("a.mp4"), "--json", "-o", "-"); cmdutil.ErrorCode(err) != sx.CodeUsage {
		t.Errorf("JSON and MP3: %v", err)
	}
}

// interruptAt interrupts a run at its first request to the path.
func (f *fixture) interruptAt(t *testing.T, end string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, end) {
			cancel()
			panic(http.ErrAbortHandler)
		}
		return false
	}
	if _, _, err := f.run(ctx, t, false, args...); !errors.Is(err, context.Canceled) {
		t.Fatalf("ended with %v", err)
	}
	f.server.Set(func() { f.server.Before = nil })
}

func TestResumesInAnyPhase(t *testing.T) {
	t.Parallel()
	for _, end := range []string{api.PathEvents, "/tracks/1"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			args := []string{f.file("a.mp4"), "-o", f.file("x.mp3")}
			f.interruptAt(t, end, args...)
			if _, _, err := f.run(t.Context(), t, false, args...); err != nil {
				t.Fatal(err)
			}
			f.check(t, f.file("x.mp3"), "a.mp4")
			if n := len(f.server.Jobs()); n != 1 {
				t.Errorf("it was uploaded %d times", n)
			}
		})
	}
}

func TestBatchSkipsFinishedFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	args := []string{f.dir, "-o", f.file("out")}
	tracks := 0
	ctx, cancel := context.WithCancel(t.Context())
	f.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tracks/1") {
			if tracks++; tracks == 2 {
				cancel()
				panic(http.ErrAbortHandler)
			}
		}
		return false
	}
	if _, _, err := f.run(ctx, t, false, args...); !errors.Is(err, context.Canceled) {
		t.Fatalf("ended with %v", err)
	}
	out, errOut, err := f.run(t.Context(), t, false, args...)
	if err != nil || strings.Count(out, "\n") != 3 || !strings.Contains(errOut, "a.mp4: already there") {
		t.Errorf("printed %q and %q: %v", out, errOut, err)
	}
	for _, name := range []string{"a", "b", "c"} {
		f.check(t, filepath.Join(f.dir, "out", name+".mp3"), name+".mp4")
	}
	if n := len(f.server.Jobs()); n != 3 || tracks != 4 {
		t.Errorf("%d uploads and %d downloads", n, tracks)
	}
}

// fail makes the conversion fail.
func (f *fixture) fail(t *testing.T, err *sx.Error) {
	t.Helper()
	f.server.Convert = nil
	f.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathEvents {
			for _, j := range f.server.Jobs() {
				f.server.Change(j.ID, func(j *sx.Job) { j.State, j.Error = sx.StateFailed, err })
			}
		}
		return false
	}
}

func TestFailedConversion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		err       *sx.Error
		wantJobs  int // after a second run
		wantSaid  string
		wantAgain bool
	}{
		{"that may heal", sx.NewError(sx.CodeConversionFailed, "ffmpeg ended with 1"), 1, "retrying the failed conversion", true},
		{"for good", sx.NewError(sx.CodeNoAudio, "there is no sound"), 2, "uploading", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			args := []string{f.file("a.mp4"), "-o", f.file("x.mp3")}
			convertWell := f.server.Convert
			f.fail(t, tt.err)
			_, _, err := f.run(t.Context(), t, false, args...)
			if known := sx.AsError(err); known.Code != tt.err.Code || known.Message != "a.mp4: "+tt.err.Message || known.Hint != tt.err.Hint {
				t.Fatalf("got %+v", known)
			}
			f.server.Set(func() { f.server.Convert, f.server.Before = convertWell, nil })
			_, errOut, err := f.run(t.Context(), t, false, args...)
			if err != nil || !strings.Contains(errOut, tt.wantSaid) || len(f.server.Jobs()) != tt.wantJobs {
				t.Errorf("%d jobs, said %q: %v", len(f.server.Jobs()), errOut, err)
			}
		})
	}
}

func TestJobThatIsRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.server.Convert = nil
	f.server.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathEvents {
			f.server.Forget(f.server.Jobs()[0].ID)
		}
		return false
	}
	_, _, err := f.run(t.Context(), t, false, f.file("a.mp4"), "-o", f.file("x.mp3"))
	if known := sx.AsError(err); known.Code != sx.CodeNotFound || !strings.Contains(known.Message, "was removed") {
		t.Errorf("got %+v", known)
	}
}
