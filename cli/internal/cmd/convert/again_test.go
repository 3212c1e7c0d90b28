package convert_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func (f *fixture) write(t *testing.T, name string, content []byte) {
	t.Helper()
	path := f.file(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// succeeds runs the command, which must succeed, and returns its output.
func (f *fixture) succeeds(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	out, errOut, err := f.run(t.Context(), t, false, args...)
	if err != nil {
		t.Fatalf("%v: %v, said %q", args, err, errOut)
	}
	return out, errOut
}

func (f *fixture) wantJobs(t *testing.T, want int) {
	t.Helper()
	if got := len(f.server.Jobs()); got != want {
		t.Errorf("there are %d jobs, want %d", got, want)
	}
}

func TestSecondRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	args := []string{f.dir, "-o", f.file("out")}
	f.succeeds(t, args...)
	f.wantJobs(t, 3)
	f.write(t, "d.mp4", videoOf("d.mp4"))
	out, errOut := f.succeeds(t, args...)
	f.wantJobs(t, 4)
	if strings.Count(errOut, ": already there\n") != 3 || !strings.Contains(errOut, "d.mp4: converted\n") || strings.Count(out, "\n") != 4 {
		t.Errorf("printed %q and %q", out, errOut)
	}
	f.check(t, f.file("out/d.mp3"), "d.mp4")
	entries, err := os.ReadDir(f.file("out"))
	if err != nil || len(entries) != 4 {
		t.Errorf("next to the MP3s there is something else: %v, %v", entries, err)
	}
}

// What was removed from the output directory is converted again; what was moved within it
// is there.
func TestMovedAndRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	args := []string{f.dir, "-o", f.file("out")}
	f.succeeds(t, args...)
	f.write(t, "out/best of/x", nil)
	if err := os.Rename(f.file("out/a.mp3"), f.file("out/best of/A.mp3")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.file("out/b.mp3")); err != nil {
		t.Fatal(err)
	}
	_, errOut := f.succeeds(t, args...)
	if strings.Count(errOut, ": already there\n") != 2 || !strings.Contains(errOut, "b.mp4: ") {
		t.Errorf("said %q", errOut)
	}
	f.check(t, f.file("out/b.mp3"), "b.mp4")
	if _, err := os.Stat(f.file("out/a.mp3")); err == nil {
		t.Error("a.mp3 is there twice")
	}
}

// A video is recognised by content, whatever its name and times.
func TestRenamedVideo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.succeeds(t, f.file("a.mp4"), "-o", f.file("out")+"/")
	if err := os.Rename(f.file("a.mp4"), f.file("renamed.mp4")); err != nil {
		t.Fatal(err)
	}
	if _, errOut := f.succeeds(t, f.file("renamed.mp4"), "-o", f.file("out")+"/"); !strings.Contains(errOut, "already there") {
		t.Errorf("said %q", errOut)
	}
	f.wantJobs(t, 1)
}

func TestNothingIsReplacedWithoutForce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, f *fixture)
		args   []string
		said   string // "" if the run fails
		failed string
	}{
		{"its owner edited it", func(t *testing.T, f *fixture) {
			t.Helper()
			f.write(t, "out/a.mp3", []byte("edited"))
		}, nil, "a.mp3 has changed since it was written, and is kept; replace it with --force", ""},
		{"the video changed", func(t *testing.T, f *fixture) {
			t.Helper()
			f.write(t, "a.mp4", videoOf("new.mp4"))
		}, nil, "", "a.mp3 was made from another version of the video or with other options"},
		{"other options", func(*testing.T, *fixture) {}, []string{"--preset", "speech"}, "", "a.mp3 was made from another version of the video or with other options"},
		{"a file of somebody else", func(t *testing.T, f *fixture) {
			t.Helper()
			f.state = t.TempDir()
			f.write(t, "out/a.mp3", []byte("edited"))
		}, nil, "", "a.mp3 already exists"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			args := append([]string{f.file("a.mp4"), f.file("b.mp4"), "-o", f.file("out")}, tt.args...)
			f.succeeds(t, f.file("a.mp4"), "-o", f.file("out")+"/")
			tt.change(t, f)
			before, err := os.ReadFile(f.file("out/a.mp3"))
			if err != nil {
				t.Fatal(err)
			}
			_, errOut, err := f.run(t.Context(), t, false, args...)
			if tt.failed == "" && err != nil || tt.failed != "" && (cmdutil.ErrorCode(err).ExitCode() != sx.ExitBadInput || !strings.Contains(err.Error(), tt.failed)) {
				t.Errorf("ended with %v", err)
			}
			if !strings.Contains(errOut, tt.said) || !strings.Contains(errOut, "b.mp4: converted\n") {
				t.Errorf("said %q", errOut)
			}
			if after, _ := os.ReadFile(f.file("out/a.mp3")); !bytes.Equal(before, after) {
				t.Error("it was replaced")
			}
			f.wantJobs(t, 2)
			f.succeeds(t, append(args, "--force")...)
			if after, _ := os.ReadFile(f.file("out/a.mp3")); tt.name != "other options" && bytes.Equal(before, after) {
				t.Error("it was not replaced with --force")
			}
		})
	}
}

// MP3s of videos with the same name do not change places when another one is added.
func TestSameNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "in/b.mkv", videoOf("1"))
	f.write(t, "in/b.mov", videoOf("2"))
	args := []string{f.file("in"), "-o", f.file("out")}
	f.succeeds(t, args...)
	f.write(t, "in/b.avi", videoOf("0")) // comes first
	_, errOut := f.succeeds(t, args...)
	if strings.Count(errOut, ": already there\n") != 2 {
		t.Errorf("said %q", errOut)
	}
	for name, video := range map[string]string{"b.mp3": "1", "b (2).mp3": "2", "b (3).mp3": "0"} {
		f.check(t, f.file("out/"+name), video)
	}
}

func TestCopiesOfAVideo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "copies/1.mp4", videoOf("x"))
	f.write(t, "copies/2.mp4", videoOf("x"))
	if _, errOut := f.succeeds(t, f.file("copies"), "-o", f.file("out"), "--parallel", "2"); strings.Count(errOut, ": already there\n") != 1 || strings.Count(errOut, ": its MP3 is ") != 1 {
		t.Errorf("said %q", errOut)
	}
	f.wantJobs(t, 1)
}

func TestDirectoriesKeepTheirStructure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "lectures/week1/intro.mp4", videoOf("1"))
	f.write(t, "lectures/week2/intro.mp4", videoOf("2"))
	_, errOut := f.succeeds(t, f.file("lectures"), "-o", f.file("out"))
	if !strings.Contains(errOut, "week1/intro.mp4: converted\n") {
		t.Errorf("said %q", errOut)
	}
	f.check(t, f.file("out/week1/intro.mp3"), "1")
	f.check(t, f.file("out/week2/intro.mp3"), "2")
	for i, want := range []string{"week1/intro.mp4", "week2/intro.mp4"} {
		if job := f.server.Jobs()[i]; job.Name != want || job.Track(1).Name != "intro.mp3" {
			t.Errorf("the job has the name %s and the MP3 %s", job.Name, job.Track(1).Name)
		}
	}
	f.succeeds(t, f.file("lectures"), "-o", f.file("flat"), "--flat")
	f.check(t, f.file("flat/intro.mp3"), "1")
	f.check(t, f.file("flat/intro (2).mp3"), "2")
	// A directory that contains a single file is still a directory.
	f.write(t, "one/talk.mp4", videoOf("3"))
	f.succeeds(t, f.file("one"), "-o", f.file("res"))
	f.check(t, f.file("res/talk.mp3"), "3")
}

func TestOneBadFileStopsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "empty.mp4", nil)
	if err := os.Symlink(f.file("gone"), f.file("link.mp4")); err != nil {
		t.Fatal(err)
	}
	_, errOut, err := f.run(t.Context(), t, false, f.dir, f.file("typo.mp4"), "-o", f.file("out"))
	if cmdutil.ErrorCode(err).ExitCode() != sx.ExitBadInput || !strings.Contains(err.Error(), "3 of 6 failed") {
		t.Errorf("ended with %v", err)
	}
	for _, want := range []string{"empty.mp4: is empty", "link.mp4: the link points to nothing", "typo.mp4: no such file"} {
		if !strings.Contains(errOut, want) {
			t.Errorf("%q is not in %q", want, errOut)
		}
	}
	f.wantJobs(t, 3)
}

func TestOutputIsNeverAnInput(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(t, "song.mp3", videoOf("song"))
	f.write(t, "same.mkv", videoOf("same"))
	if err := os.Link(f.file("same.mkv"), f.file("hard.mp3")); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"the same":              {f.file("song.mp3"), "-o", f.dir},
		"by another name":       {f.file("same.mkv"), "-o", f.file("hard.mp3")},
		"another file's output": {f.file("same.mkv"), f.file("song.mp3"), f.file("song.mp3"), "-o", f.dir},
	} {
		_, errOut, err := f.run(t.Context(), t, false, append(args, "--force", "--preset", "small")...)
		if err == nil || !strings.Contains(err.Error()+errOut, "is one of the files to convert") {
			t.Errorf("%s: %v, said %q", name, err, errOut)
		}
	}
	for file, video := range map[string]string{"song.mp3": "song", "same.mkv": "same"} {
		if got, _ := os.ReadFile(f.file(file)); !bytes.Equal(got, videoOf(video)) {
			t.Errorf("%s was replaced", file)
		}
	}
}

func TestInvalidOutputs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for output, want := range map[string]string{
		f.file("talk.ogg"):                        "only MP3s can be written",
		f.file(strings.Repeat("x", 252) + ".mp3"): "too long",
		f.file("a.mp4/x.mp3"):                     "not a directory",
		"/dev/null/x/":                            "not a directory",
		filepath.Join(readOnly(t), "new") + "/":   "cannot write to the directory",
		filepath.Join(readOnly(t), "talk.mp3"):    "cannot write to the directory",
	} {
		_, _, err := f.run(t.Context(), t, false, f.file("b.mp4"), "-o", output)
		if known := sx.AsError(err); known == nil || !strings.Contains(known.Message, want) || known.Hint == "" {
			t.Errorf("%s: %+v", output, known)
		}
	}
	f.wantJobs(t, 0)
	f.succeeds(t, f.file("b.mp4"), "-o", f.file("new/deep/talk.mp3"))
	f.check(t, f.file("new/deep/talk.mp3"), "b.mp4")
}

// readOnly returns a directory that nobody may write to, not even root.
func readOnly(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "linux" {
		return "/proc"
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	return dir
}

// With --checksum, the records of unchanged files are not trusted.
func TestChecksum(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.succeeds(t, f.file("a.mp4"), "-o", f.file("out")+"/")
	path := filepath.Join(f.state, "files.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	digest := gateway.Digest(videoOf("a.mp4"))
	wrong := bytes.ReplaceAll(raw, []byte(digest), []byte(strings.Repeat("0", len(digest))))
	if bytes.Equal(raw, wrong) {
		t.Fatalf("the identity is not recorded in %s", raw)
	}
	if err := os.WriteFile(path, wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{f.file("a.mp4"), "-o", f.file("elsewhere") + "/", "--dry-run"}
	if out, _ := f.succeeds(t, args...); !strings.HasPrefix(out, "convert\t") {
		t.Errorf("by the record, planned %q", out)
	}
	if out, _ := f.succeeds(t, append(args, "--checksum")...); !strings.HasPrefix(out, "download\t") {
		t.Errorf("with --checksum, planned %q", out)
	}
}

// What another machine converted, or sx upload sent, is not sent again.
func TestKnownToTheServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.succeeds(t, f.file("a.mp4"), "-o", f.file("out")+"/")
	id := f.server.Jobs()[0].ID
	another := func() { f.state = t.TempDir() }

	another()
	if _, errOut := f.succeeds(t, f.file("a.mp4"), "-o", f.file("out")+"/"); !strings.Contains(errOut, "a.mp4: already there\n") {
		t.Errorf("with the MP3: said %q", errOut)
	}
	another()
	if out, _ := f.succeeds(t, f.file("a.mp4"), "-o", f.file("out2")+"/", "--dry-run"); !strings.HasPrefix(out, "download\ta.mp4\t") {
		t.Errorf("planned %q", out)
	}
	_, errOut := f.succeeds(t, f.file("a.mp4"), "-o", f.file("out2")+"/")
	if !strings.Contains(errOut, "the server has it already, as job "+id) || !strings.Contains(errOut, "a.mp4: downloaded\n") {
		t.Errorf("with the job: said %q", errOut)
	}
	f.check(t, f.file("out2/a.mp3"), "a.mp4")
	f.wantJobs(t, 1)
	out, _ := f.succeeds(t, f.file("a.mp4"), "-o", "-")
	if out != "sound of "+string(videoOf("a.mp4")) {
		t.Errorf("%d bytes came to the stream", len(out))
	}
	f.wantJobs(t, 1)

	// The job is gone, the MP3 is there: nothing is sent. Without the MP3, it is.
	if err := f.server.Client(t).Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	another()
	if _, errOut := f.succeeds(t, f.file("a.mp4"), "-o", f.file("out")+"/"); !strings.Contains(errOut, "a.mp4: already there\n") {
		t.Errorf("without the job: said %q", errOut)
	}
	f.wantJobs(t, 0)
	f.succeeds(t, f.file("a.mp4"), "-o", f.file("out3")+"/")
	f.wantJobs(t, 1)
	f.succeeds(t, f.file("a.mp4"), "-o", f.file("out3")+"/", "--force")
	f.wantJobs(t, 2)
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.succeeds(t, f.file("a.mp4"), "-o", f.file("out")+"/")
	out, errOut := f.succeeds(t, f.file("a.mp4"), f.file("b.mp4"), "-o", f.file("out"), "--dry-run")
	if want := "convert\tb.mp4\t" + f.file("out/b.mp3") + "\n"; out != want || !strings.Contains(errOut, "a.mp4: already there\n") {
		t.Errorf("printed %q and %q, want %q", out, errOut, want)
	}
	out, _ = f.succeeds(t, f.file("b.mp4"), "-o", f.file("other/new")+"/", "--dry-run", "--json")
	var plan transfer.Plan
	if err := json.Unmarshal([]byte(out), &plan); err != nil || !reflect.DeepEqual(plan, transfer.Plan{Action: "convert", Name: "b.mp4", Path: f.file("other/new/b.mp3")}) {
		t.Errorf("printed %q: %v", out, err)
	}
	if _, err := os.Stat(f.file("other")); err == nil {
		t.Error("a directory was created")
	}
	f.wantJobs(t, 1)
}

func TestStdin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, errOut, err := f.runWith(t.Context(), t, string(videoOf("piped")), false, "-", "-o", f.file("x.mp3"))
	if err != nil || !strings.Contains(errOut, "reading standard input into a temporary file") {
		t.Fatalf("said %q: %v", errOut, err)
	}
	f.check(t, f.file("x.mp3"), "piped")
	if _, _, err := f.runWith(t.Context(), t, "", false, "-", "-o", f.file("y.mp3")); err == nil || !strings.Contains(err.Error(), "standard input is empty") {
		t.Errorf("without input: %v", err)
	}
	f.wantJobs(t, 1)
}

func TestResultsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return // only Linux has it
	}
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = f.runOn(t.Context(), t, term.FromFiles(null, full, null), f.file("a.mp4"), "-o", f.file("x.mp3"), "--json")
	if known := sx.AsError(err); known.Code != sx.CodeStorageFull || !strings.Contains(known.Message, "cannot write to standard output") {
		t.Errorf("got %+v", known)
	}
}
