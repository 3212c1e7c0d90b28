package convert_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// newSplitFixture has a server that makes three MP3s of each video that is split.
func newSplitFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.server.Split = func(video []byte) (mp3s [][]byte) {
		for _, title := range []string{"Intro", "What: now?", "End"} {
			mp3s = append(mp3s, append([]byte(title+strings.Repeat(" ", 20-len(title))), video...))
		}
		return mp3s
	}
	return f
}

var names = []string{"a - 01 - Intro.mp3", "a - 02 - What_ now_.mp3", "a - 03 - End.mp3"}

func (f *fixture) wantParts(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(f.file(dir))
	if err != nil || len(entries) != len(names) {
		t.Fatalf("the directory has %v: %v", entries, err)
	}
	for i, e := range entries {
		content, err := os.ReadFile(filepath.Join(f.file(dir), e.Name()))
		if title := []string{"Intro", "What", "End"}[i]; err != nil || e.Name() != names[i] || !strings.HasPrefix(string(content), title) {
			t.Errorf("%s has %d bytes: %v", e.Name(), len(content), err)
		}
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	f := newSplitFixture(t)
	args := []string{f.file("a.mp4"), "--split-chapters", "-o", f.file("out")}
	out, errOut := f.succeeds(t, args...)
	f.wantParts(t, "out/a")
	var want string
	for _, name := range names {
		want += f.file("out/a/"+name) + "\n"
	}
	if out != want || !strings.Contains(errOut, "a.mp4: converted\n") {
		t.Errorf("printed %q and %q, want %q", out, errOut, want)
	}
	if o := f.server.Jobs()[0].Options; !o.SplitChapters {
		t.Errorf("the job's options are %+v", o)
	}
	// Without other options, it is another conversion.
	f.succeeds(t, f.file("a.mp4"), "-o", f.file("out"))
	f.check(t, f.file("out/a.mp3"), "a.mp4")
	f.wantJobs(t, 2)
}

// A second run does nothing, and gets what is missing: from the server, or by another
// conversion.
func TestSplitAgain(t *testing.T) {
	t.Parallel()
	f := newSplitFixture(t)
	args := []string{f.file("a.mp4"), "--split-every", "30m", "-o", f.file("out")}
	f.succeeds(t, args...)
	out, errOut := f.succeeds(t, args...)
	if !strings.Contains(errOut, "a.mp4: already there\n") || strings.Count(out, "\n") != 3 {
		t.Errorf("printed %q and %q", out, errOut)
	}
	lost, moved := f.file("out/a/"+names[1]), f.file("out/a/"+names[2])
	renamed := f.file("out/a/last.mp3")
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(moved, renamed); err != nil {
		t.Fatal(err)
	}
	if out, _ := f.succeeds(t, append(args, "--dry-run")...); out != "download\ta.mp4\t"+f.file("out/a/")+"\n" && out != "download\ta.mp4\t"+f.file("out/a")+"/\n" {
		t.Errorf("the dry run printed %q", out)
	}
	f.succeeds(t, args...)
	f.wantJobs(t, 1)
	if _, err := os.Stat(lost); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(moved); err == nil {
		t.Error("the renamed MP3 was downloaded again")
	}
	if err := os.Rename(renamed, moved); err != nil {
		t.Fatal(err)
	}
	f.wantParts(t, "out/a")

	f.server.Forget(f.server.Jobs()[0].ID)
	if _, errOut := f.succeeds(t, args...); !strings.Contains(errOut, "already there") {
		t.Errorf("printed %q", errOut)
	}
	f.wantJobs(t, 0)
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	out, _ = f.succeeds(t, append(args, "--json")...)
	f.wantJobs(t, 1)
	f.wantParts(t, "out/a")
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var r transfer.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Number != i+1 || r.Existed != (i != 1) || filepath.Base(r.Path) != names[i] {
			t.Errorf("line %d: %s", i, line)
		}
	}
}

// What was changed is kept, and replaced only with --force.
func TestSplitKeepsChanges(t *testing.T) {
	t.Parallel()
	f := newSplitFixture(t)
	args := []string{f.file("a.mp4"), "--split-chapters", "-o", f.file("out")}
	f.succeeds(t, args...)
	path := f.file("out/a/" + names[0])
	f.write(t, "out/a/"+names[0], []byte("mine"))
	_, errOut := f.succeeds(t, args...)
	if got, _ := os.ReadFile(path); string(got) != "mine" || !strings.Contains(errOut, "has changed since it was written") {
		t.Errorf("it is %q now, printed %q", got, errOut)
	}
	f.succeeds(t, append(args, "--force")...)
	f.wantParts(t, "out/a")
}

// Files with the same name have directories of their own.
func TestSplitFilesOfOneName(t *testing.T) {
	t.Parallel()
	f := newSplitFixture(t)
	f.write(t, "a.mkv", videoOf("another"))
	args := []string{f.file("a.mkv"), f.file("a.mp4"), "--split-chapters", "-o", f.file("out")}
	f.succeeds(t, args...)
	f.wantParts(t, "out/a")
	f.wantParts(t, "out/a (2)")
	f.succeeds(t, args...)
	f.wantJobs(t, 2)
	// Alone, the second one is where it was.
	if err := os.Remove(f.file("out/a (2)/" + names[0])); err != nil {
		t.Fatal(err)
	}
	f.succeeds(t, f.file("a.mp4"), "--split-chapters", "-o", f.file("out"))
	f.wantParts(t, "out/a (2)")
	f.wantJobs(t, 2)
}

func TestSplitUsage(t *testing.T) {
	t.Parallel()
	f := newSplitFixture(t)
	for name, tt := range map[string]struct {
		args []string
		code sx.Code
	}{
		"both":        {[]string{"--split-chapters", "--split-every", "30m"}, sx.CodeInvalid},
		"too short":   {[]string{"--split-every", "5s"}, sx.CodeInvalid},
		"the stream":  {[]string{"--split-chapters", "-o", "-"}, sx.CodeUsage},
		"a file":      {[]string{"--split-chapters", "-o", f.file("x.mp3")}, sx.CodeInvalid},
		"no duration": {[]string{"--split-every", "soon"}, sx.CodeUsage},
	} {
		_, _, err := f.run(t.Context(), t, false, append([]string{f.file("a.mp4")}, tt.args...)...)
		if code := cmdutil.ErrorCode(err); err == nil || code != tt.code && name != "no duration" {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.wantJobs(t, 0)
}

// TestSeveralOfUnsplit has a server that gives several MP3s of a recording that is not split:
// their names, which are the server's, become no paths.
func TestSeveralOfUnsplit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.server.Convert = nil
	ended := make(chan error, 1)
	go func() {
		_, errOut, err := f.run(t.Context(), t, false, f.file("a.mp4"), "-o", f.file("out")+"/")
		ended <- fmt.Errorf("%s%w", errOut, err)
	}()
	testkit.Eventually(t, "the job is queued", func() bool {
		jobs := f.server.Jobs()
		return len(jobs) == 1 && jobs[0].State == sx.StateQueued
	})
	f.server.Finish(f.server.Jobs()[0].ID, []byte("one"), []byte("two"))
	if err := <-ended; !strings.Contains(err.Error(), "2 MP3s for a recording that was not to be split") {
		t.Errorf("ended with: %v", err)
	}
	if entries, _ := os.ReadDir(f.file("out")); len(entries) != 0 {
		t.Errorf("written: %v", entries)
	}
}
