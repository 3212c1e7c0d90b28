package root_test

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// contents returns the files below dir by their paths in it; directories have a slash at
// the end.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			found[name+"/"] = nil
			return nil
		}
		found[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// write writes files below dir, by their paths in it.
func write(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingIsDeletedInTheOutputDirectory runs the commands that use a directory of MP3s
// on one that also contains unrelated files.
func TestNothingIsDeletedInTheOutputDirectory(t *testing.T) {
	server := signIn(t)
	server.Convert = func(video []byte) []byte { return append([]byte("sound of "), video...) }
	in, out := t.TempDir(), t.TempDir()
	videos := map[string][]byte{"bad.mp4": nil} // empty
	for _, name := range []string{"a.mp4", "b.mp4", "week/c.mp4"} {
		videos[name] = gateway.AsMedia(bytes.Repeat([]byte(name), 10_000))
	}
	write(t, in, videos)
	foreign := map[string][]byte{}
	for _, name := range []string{
		"notes.txt", "b.mp3", "week/c.wav", "old/song.mp3", ".hidden", ".a.mp3.cv3x5k2tq7na4m6b.part", ".sx-123.part", "files.json", "x.lock", "x.tmp",
	} {
		foreign[name] = []byte("precious " + name)
	}
	write(t, out, foreign)

	before := contents(t, out)
	check := func(args []string) {
		t.Helper()
		after := contents(t, out)
		for _, name := range slices.Sorted(maps.Keys(before)) {
			if _, ok := after[name]; !ok {
				t.Errorf("sx %q deleted %s", args, name)
			}
		}
		for name, want := range foreign {
			// --force is meant to replace the MP3 of the video's name.
			if !bytes.Equal(after[name], want) && (name != "b.mp3" || !slices.Contains(args, "--force")) {
				t.Errorf("sx %q changed %s", args, name)
			}
		}
		before = after
	}
	sxOut := func(code int, args ...string) {
		t.Helper()
		run(t, args...).wantPart(t, code)
		check(args)
	}
	sxOut(65, "convert", in, "-o", out)
	if err := os.Remove(filepath.Join(in, "a.mp4")); err != nil { // its MP3 stays
		t.Fatal(err)
	}
	sxOut(65, "convert", in, "-o", out)
	sxOut(65, "convert", in, "-o", out, "--checksum", "--flat")
	sxOut(65, "convert", in, "-o", out, "--dry-run")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	streams, _, _ := term.Test("")
	watch := []string{"convert", in, "-o", out, "--watch"}
	go func() { ended <- root.Main(ctx, watch, streams) }()
	write(t, in, map[string][]byte{"d.mp4": gateway.Media(10_000)})
	testkit.Eventually(t, "the new video is converted", func() bool {
		_, err := os.Stat(filepath.Join(out, "d.mp3"))
		return err == nil
	})
	stop()
	<-ended
	check(watch)

	sxOut(0, "download", "--all", "-o", out)
	sxOut(0, "download", "--all", "-o", out, "--dry-run")
	sxOut(0, "download", "a.mp4", "-o", out, "--force")
	sxOut(65, "convert", in, "-o", out, "--force")
	foreign["b.mp3"] = contents(t, out)["b.mp3"]
	sxOut(0, "download", "--all", "-o", out, "--force")
	sxOut(0, "rm", "--state", "done", "--yes")
	sxOut(0, "download", "--all", "-o", out, "--force")
	sxOut(0, "logout")
}
