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

// media is the beginning of a media file, which is enough to recognise it.
const media = "#!AMR\n"

func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"talk.mp4": media, "talk.txt": media, "notes.txt": "x", "notes.mp4": "x", "list.mp4": "#EXTM3U\n", "empty.mp4": "",
		"dated/week1/talk.mp4": media,
		"week/2.MKV":           media, "week/1.webm": media, "week/.hidden.mp4": media, "week/.cache/3.mp4": media, "week/read.me": "x",
		"week/day/4.m4a": media, "week/day/out.mp3": media, "papers/a.pdf": "x", "odd[1].mp4": media,
		"by content/camera.mod": "\x00\x00\x01\xBA", "by content/voice": media, "by content/go.mod": "module x", "by content/empty": "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "links"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"link.mp4": "talk.mp4", "linked": "week", "links/week": "week",
		"dated/latest.mp4": "dated/week1/talk.mp4", "dated/other.mp4": "talk.mp4",
	} {
		if err := os.Symlink(filepath.Join(root, to), filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := tree(t)
	week := []string{"1.webm", "2.MKV", "day/4.m4a"}
	tests := []struct {
		name  string
		args  []string
		paths []string // below root
		names []string // nil: the same as paths
	}{
		{"a file", []string{"talk.mp4"}, []string{"talk.mp4"}, nil},
		{"a named file of any extension", []string{"talk.txt"}, []string{"talk.txt"}, nil},
		{"a directory", []string{"week"}, []string{"week/1.webm", "week/2.MKV", "week/day/4.m4a"}, week},
		{"a directory with a slash", []string{"week/"}, []string{"week/1.webm", "week/2.MKV", "week/day/4.m4a"}, week},
		{"a link to a directory", []string{"linked"}, []string{"week/1.webm", "week/2.MKV", "week/day/4.m4a"}, week},
		{"a glob that the shell left", []string{"week/*.[wM]*"}, []string{"week/1.webm", "week/2.MKV"}, []string{"1.webm", "2.MKV"}},
		{"a glob that matches directories", []string{"we*"}, []string{"week/1.webm", "week/2.MKV", "week/day/4.m4a"}, week},
		{"a file whose name looks like a glob", []string{"odd[1].mp4"}, []string{"odd[1].mp4"}, nil},
		{"twice", []string{"talk.mp4", "./talk.mp4", "week/../talk.mp4"}, []string{"talk.mp4"}, nil},
		{"a link to the same", []string{"talk.mp4", "link.mp4"}, []string{"talk.mp4"}, nil},
		{"links in a directory", []string{"dated"}, []string{"dated/other.mp4", "dated/week1/talk.mp4"}, []string{"other.mp4", "week1/talk.mp4"}},
		{"a directory of which all is known", []string{"week/day/4.m4a", "week/day"}, []string{"week/day/4.m4a"}, []string{"4.m4a"}},
		{"the order of the arguments", []string{"week/2.MKV", "talk.mp4", "week"}, []string{"week/2.MKV", "talk.mp4", "week/1.webm", "week/day/4.m4a"}, []string{"2.MKV", "talk.mp4", "week/1.webm", "week/day/4.m4a"}},
		{"several directories", []string{"week/day", "by content"}, []string{"week/day/4.m4a", "by content/camera.mod", "by content/voice"}, []string{"day/4.m4a", "by content/camera.mod", "by content/voice"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var args, want, got, names []string
			for _, a := range tt.args {
				args = append(args, root+"/"+a)
			}
			for _, w := range tt.paths {
				want = append(want, filepath.Join(root, w))
			}
			found := mediafiles.Find(args)
			if len(found.Failures) > 0 {
				t.Fatalf("failures: %+v", found.Failures)
			}
			for _, f := range found.Files {
				got, names = append(got, f.Path), append(names, f.Name)
				if f.Size == 0 || f.ModTime.IsZero() {
					t.Errorf("%+v is incomplete", f)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if tt.names == nil {
				tt.names = tt.paths
			}
			if diff := cmp.Diff(tt.names, names); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSkipped(t *testing.T) {
	t.Parallel()
	root := tree(t)
	for dir, want := range map[string]string{
		"week":       "2 files skipped: 1 is not media, 1 is an MP3",
		"by content": "2 files skipped: 2 are not media",
		"links":      "1 file skipped: 1 is a link to a directory",
		"week/day":   "1 file skipped: 1 is an MP3",
	} {
		if got := mediafiles.Find([]string{filepath.Join(root, dir)}).Skipped.String(); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}

func TestSeveral(t *testing.T) {
	t.Parallel()
	root := tree(t)
	for args, want := range map[string]bool{"talk.mp4": false, "week/day": true, "week/*.webm": false, "week/[12]*": true} {
		if got := mediafiles.Find([]string{filepath.Join(root, args)}).Several; got != want {
			t.Errorf("%s: %v", args, got)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	root := tree(t)
	if err := os.Symlink(filepath.Join(root, "gone"), filepath.Join(root, "dangling.mp4")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want []string // names and messages
	}{
		{"missing", []string{"none.mp4"}, []string{"none.mp4: no such file"}},
		{"a link to nothing", []string{"dangling.mp4"}, []string{"dangling.mp4: the link points to nothing"}},
		{"empty", []string{"empty.mp4"}, []string{"empty.mp4: is empty"}},
		{"no media", []string{"papers"}, []string{"papers: no media files (1 file skipped: 1 is not media)"}},
		{"no match", []string{"*.avi"}, []string{"*.avi: no files match"}},
		{"no pattern", []string{"week/[a"}, []string{"week/[a: is not a valid pattern"}},
		{"directories of any depth", []string{"**/*.MKV"}, []string{"**/*.MKV: ** is not supported"}},
		{"a path through a file", []string{"talk.mp4/x.mp4"}, []string{"talk.mp4/x.mp4: cannot be read: not a directory"}},
		{"a named file that is not media", []string{"notes.mp4"}, []string{"notes.mp4: the file is text, not a video or audio file"}},
		{"a named playlist", []string{"list.mp4"}, []string{"list.mp4: the file is an HLS or M3U playlist, not a recording"}},
		{"all are reported", []string{"none.mp4", "talk.mp4", "empty.mp4"}, []string{"none.mp4: no such file", "empty.mp4: is empty"}},
		{"in a directory", []string{""}, []string{"dangling.mp4: the link points to nothing", "empty.mp4: is empty"}}, // the server refuses the others
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var args, got []string
			for _, a := range tt.args {
				args = append(args, filepath.Join(root, a))
			}
			for _, f := range mediafiles.Find(args).Failures {
				got = append(got, strings.TrimPrefix(f.Name, root+"/")+": "+f.Err.Message)
				if f.Err.Hint == "" || f.Err.Code.ExitCode() != sx.CodeInvalid.ExitCode() {
					t.Errorf("%+v has no hint, or another exit code", f.Err)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	address := mediafiles.Find([]string{"https://example.org/watch?v=1"}).Failures[0]
	if !strings.Contains(address.Err.Message, "addresses cannot be converted") || !strings.Contains(address.Err.Hint, "yt-dlp") {
		t.Errorf("%+v", address.Err)
	}
}

func TestPipes(t *testing.T) {
	t.Parallel()
	found := mediafiles.Find([]string{"-"})
	if diff := cmp.Diff([]mediafiles.File{{Name: "stdin", Pipe: mediafiles.Stdin}}, found.Files); diff != "" {
		t.Error(diff)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	family := "👨\u200d👩\u200d👧.mp4"
	long := "01 - " + strings.Repeat("x", 240) + ".mp4"
	for _, name := range []string{family, `a\b.mp4`, long} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, f := range mediafiles.Find([]string{root}).Files {
		names = append(names, f.Name)
	}
	want := []string{"01 - " + strings.Repeat("x", 191) + ".mp4", `a\b.mp4`, family}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestUnreadableAndSpecial(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // Windows has neither
	}
	null := mediafiles.Find([]string{"/dev/null"})
	if len(null.Failures) != 1 || !strings.Contains(null.Failures[0].Err.Message, "not a regular file") {
		t.Errorf("/dev/null: %+v", null)
	}
	if os.Geteuid() == 0 {
		return // root may read everything
	}
	path := filepath.Join(t.TempDir(), "secret.mp4")
	if err := os.WriteFile(path, []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	found := mediafiles.Find([]string{path})
	if len(found.Failures) != 1 || !strings.Contains(found.Failures[0].Err.Message, "permission denied") {
		t.Errorf("unreadable: %+v", found)
	}
}
