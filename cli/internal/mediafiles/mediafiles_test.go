package mediafiles_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/server/sx"
)

func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"talk.mp4": "x", "notes.txt": "x", "empty.mp4": "",
		"week/2.MKV": "x", "week/1.webm": "x", "week/.hidden.mp4": "x", "week/.cache/3.mp4": "x", "week/read.me": "x",
		"week/day/4.m4a": "x", "week/day/out.mp3": "x", "papers/a.pdf": "x", "odd[1].mp4": "x",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, "talk.mp4"), filepath.Join(root, "link.mp4")); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := tree(t)
	tests := []struct {
		name string
		args []string
		want []string // paths below root
	}{
		{"a file", []string{"talk.mp4"}, []string{"talk.mp4"}},
		{"a named file of any extension", []string{"notes.txt"}, []string{"notes.txt"}},
		{"a directory", []string{"week"}, []string{"week/1.webm", "week/2.MKV", "week/day/4.m4a"}},
		{"a glob that the shell left", []string{"week/*.[wM]*"}, []string{"week/1.webm", "week/2.MKV"}},
		{"a glob that matches directories", []string{"we*"}, []string{"week/1.webm", "week/2.MKV", "week/day/4.m4a"}},
		{"a file whose name looks like a glob", []string{"odd[1].mp4"}, []string{"odd[1].mp4"}},
		{"twice", []string{"talk.mp4", "./talk.mp4", "week/../talk.mp4"}, []string{"talk.mp4"}},
		{"a link to the same", []string{"talk.mp4", "link.mp4"}, []string{"talk.mp4"}},
		{"a directory of which all is known", []string{"week/day/4.m4a", "week/day"}, []string{"week/day/4.m4a"}},
		{"the order of the arguments", []string{"week/2.MKV", "talk.mp4", "week"}, []string{"week/2.MKV", "talk.mp4", "week/1.webm", "week/day/4.m4a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var args, want, got []string
			for _, a := range tt.args {
				args = append(args, root+"/"+a)
			}
			for _, w := range tt.want {
				want = append(want, filepath.Join(root, w))
			}
			files, err := mediafiles.Find(args)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				got = append(got, f.Path)
				if f.Name != filepath.Base(f.Path) || f.Size != 1 || f.ModTime.IsZero() {
					t.Errorf("%+v is incomplete", f)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	root := tree(t)
	locked := filepath.Join(root, "dangling.mp4")
	if err := os.Symlink(filepath.Join(root, "gone"), locked); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want []string // parts of the messages, one each
	}{
		{"missing", []string{"none.mp4"}, []string{"none.mp4: no such file"}},
		{"a link to nowhere", []string{"dangling.mp4"}, []string{"dangling.mp4: no such file"}},
		{"empty", []string{"empty.mp4"}, []string{"empty.mp4 is empty"}},
		{"no media", []string{"papers"}, []string{"no media files in"}},
		{"no match", []string{"*.avi"}, []string{"no files match"}},
		{"no pattern", []string{"week/[a"}, []string{"is not a valid pattern"}},
		{"a path through a file", []string{"talk.mp4/x.mp4"}, []string{"cannot read"}},
		{"all are reported", []string{"none.mp4", "talk.mp4", "empty.mp4"}, []string{"none.mp4: no such file", "empty.mp4 is empty"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var args []string
			for _, a := range tt.args {
				args = append(args, root+"/"+a)
			}
			files, err := mediafiles.Find(args)
			if err == nil || files != nil {
				t.Fatalf("got %v and %v, want no files and an error", files, err)
			}
			joined, ok := err.(interface{ Unwrap() []error })
			if !ok {
				t.Fatalf("%T does not join errors", err)
			}
			errs := joined.Unwrap()
			if len(errs) != len(tt.want) {
				t.Fatalf("got %v, want %v", errs, tt.want)
			}
			for i, err := range errs {
				known := sx.AsError(err)
				if !strings.Contains(known.Message, tt.want[i]) || known.Hint == "" || known.Code != sx.CodeInvalid {
					t.Errorf("got %+v, want %q", known, tt.want[i])
				}
			}
		})
	}
}

func TestUnreadableAndSpecial(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // Windows has neither
	}
	_, err := mediafiles.Find([]string{"/dev/null"})
	if err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("/dev/null: %v", err)
	}
	if os.Geteuid() == 0 {
		return // root may read everything
	}
	path := filepath.Join(t.TempDir(), "secret.mp4")
	if err := os.WriteFile(path, []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := mediafiles.Find([]string{path}); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("unreadable: %v", err)
	}
}
