package knownfiles_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/knownfiles"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// SHA-256 digests of "one" and "two".
const (
	one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
	two = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
)

func save(t *testing.T, r *knownfiles.Records) {
	t.Helper()
	if err := r.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestIdentityIsRemembered(t *testing.T) {
	t.Parallel()
	state, path := t.TempDir(), filepath.Join(t.TempDir(), "talk.mp4")
	write(t, path, "one")
	reads := 0
	identity := func(r *knownfiles.Records, variant string) string {
		t.Helper()
		id, err := r.Identity(path, variant, func() (string, error) {
			reads++
			raw, err := os.ReadFile(path)
			return "of " + string(raw) + variant, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	r := knownfiles.Open(state)
	if got := identity(r, ""); got != "of one" || reads != 1 {
		t.Errorf("%q after %d reads", got, reads)
	}
	if got := identity(r, "2"); got != "of one2" || reads != 2 {
		t.Errorf("the variant is %q after %d reads", got, reads)
	}
	save(t, r)
	r = knownfiles.Open(state)
	if got := identity(r, ""); got != "of one" || reads != 2 {
		t.Errorf("the next run: %q after %d reads", got, reads)
	}
	r.Reread = true
	if identity(r, ""); reads != 3 {
		t.Errorf("the file was not read again")
	}
	r.Reread = false
	write(t, path, "three")
	if got := identity(r, ""); got != "of three" || reads != 4 {
		t.Errorf("after a change: %q, %d reads", got, reads)
	}
	if _, err := r.Identity(path, "new", func() (string, error) { return "", errors.New("broken disk") }); err == nil {
		t.Error("the error is lost")
	}
}

// A change is noticed even if a program restores size and modification time.
func TestEditedInPlace(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		return
	}
	path := filepath.Join(t.TempDir(), "talk.mp3")
	write(t, path, "one")
	r := knownfiles.Open(t.TempDir())
	if got, err := r.Digest(t.Context(), path); err != nil || got != one {
		t.Fatalf("%q, %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "two")
	if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Digest(t.Context(), path); err != nil || got != two {
		t.Errorf("%q, %v", got, err)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, sub := range []string{"sub", ".hidden"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "1.mp3"), "one")
	write(t, filepath.Join(dir, "sub", "2.MP3"), "two")
	write(t, filepath.Join(dir, ".hidden", "3.mp3"), "4")
	r := knownfiles.Open(t.TempDir())
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, deep := range []bool{false, true} {
		x := r.Index(dir, deep)
		if path, ok := x.Find(t.Context(), 3, one); !ok || path != filepath.Join(dir, "1.mp3") {
			t.Errorf("found %q", path)
		}
		if _, ok := x.Find(t.Context(), 3, two); ok != deep {
			t.Errorf("the subdirectory counts: %v", ok)
		}
		if _, ok := x.Find(t.Context(), 4, one); ok {
			t.Error("found one of another size")
		}
	}
	x := r.Index(dir, true)
	r.Wrote(filepath.Join(dir, "1.mp3"), knownfiles.MP3{SHA256: one, Source: filepath.Join(dir, "a.mp4"), Made: "content", Job: "job"})
	write(t, filepath.Join(dir, "1.mp3"), "edited")
	if paths, ok := x.Made(t.Context(), "content"); ok {
		t.Errorf("found %q, which was edited", paths)
	}
	write(t, filepath.Join(dir, "moved.mp3"), "one")
	x.Add(filepath.Join(dir, "moved.mp3"))
	if paths, ok := x.Made(t.Context(), "content"); !ok || !slices.Equal(paths, []string{filepath.Join(dir, "moved.mp3")}) {
		t.Errorf("found %q", paths)
	}
	if got := r.MadeFrom(filepath.Join(dir, "a.mp4")); len(got) != 1 || got[0] != filepath.Join(dir, "1.mp3") {
		t.Errorf("made from it: %v", got)
	}
}

// Several MP3s of one source count only together.
func TestIndexOfSeveral(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1.mp3"), filepath.Join(dir, "2.mp3")
	write(t, first, "one")
	write(t, second, "two")
	r := knownfiles.Open(t.TempDir())
	r.Wrote(second, knownfiles.MP3{SHA256: two, Source: filepath.Join(dir, "a.mp4"), Made: "content", Job: "job", Number: 2, Total: 2})
	x := r.Index(dir, false)
	if paths, ok := x.Made(t.Context(), "content"); ok {
		t.Errorf("found %q of two MP3s", paths)
	}
	r.Wrote(first, knownfiles.MP3{SHA256: one, Made: "content", Job: "another", Number: 1, Total: 2})
	if paths, ok := x.Made(t.Context(), "content"); ok {
		t.Errorf("found %q, of two jobs", paths)
	}
	r.Wrote(first, knownfiles.MP3{SHA256: one, Made: "content", Job: "job", Number: 1, Total: 2})
	if paths, ok := x.Made(t.Context(), "content"); !ok || len(paths) != 2 || filepath.Base(paths[0]) != "1.mp3" {
		t.Errorf("found %q", paths)
	}
	if got := r.In(dir); len(got) != 2 {
		t.Errorf("in the directory: %+v", got)
	}
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	if paths, ok := x.Made(t.Context(), "content"); ok {
		t.Errorf("found %q, one of which was removed", paths)
	}
	if got := r.In(dir); len(got) != 1 {
		t.Errorf("in the directory: %+v", got)
	}
}

func TestRunsAtOnce(t *testing.T) {
	t.Parallel()
	state, dir := t.TempDir(), t.TempDir()
	var group sync.WaitGroup
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		path := filepath.Join(dir, name)
		write(t, path, "one")
		group.Go(func() {
			r := knownfiles.Open(state)
			r.Wrote(path, knownfiles.MP3{SHA256: one, Job: name})
			if err := r.Save(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	r := knownfiles.Open(state)
	for _, name := range names {
		if m, ok := r.MP3(filepath.Join(dir, name)); !ok || m.Job != name {
			t.Errorf("%s is not known: %+v", name, m)
		}
	}
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	write(t, filepath.Join(state, "files.json"), `{"mp3s":`)
	r := knownfiles.Open(state)
	path := filepath.Join(t.TempDir(), "1.mp3")
	write(t, path, "one")
	if got, err := r.Digest(t.Context(), path); err != nil || got != one {
		t.Errorf("%q, %v", got, err)
	}
	save(t, r)
	if m, ok := knownfiles.Open(state).MP3(path); !ok || m.SHA256 != one {
		t.Errorf("%+v", m)
	}
}
