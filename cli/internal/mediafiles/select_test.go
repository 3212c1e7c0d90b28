package mediafiles_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/server/sx"
)

func TestSelect(t *testing.T) {
	t.Parallel()
	all := []string{"a.mp4", "b.mkv", "drafts/a.mp4", "week1/a.mp4", "week1/drafts/c.mp4", "week1/x/y/z.mkv"}
	for _, tt := range []struct {
		name             string
		include, exclude []string
		want             []string
	}{
		{name: "everything", want: all},
		{name: "a name in any directory", exclude: []string{"a.mp4"}, want: []string{"b.mkv", "week1/drafts/c.mp4", "week1/x/y/z.mkv"}},
		{name: "an extension", include: []string{"*.mkv"}, want: []string{"b.mkv", "week1/x/y/z.mkv"}},
		{name: "from the top", exclude: []string{"/a.mp4"}, want: slices.DeleteFunc(slices.Clone(all), func(p string) bool { return p == "a.mp4" })},
		{name: "a directory", exclude: []string{"drafts/"}, want: []string{"a.mp4", "b.mkv", "week1/a.mp4", "week1/x/y/z.mkv"}},
		{name: "a slash at the end is no file", exclude: []string{"a.mp4/"}, want: all},
		{name: "a path", exclude: []string{"week1/drafts"}, want: []string{"a.mp4", "b.mkv", "drafts/a.mp4", "week1/a.mp4", "week1/x/y/z.mkv"}},
		{name: "an asterisk stays in a name", include: []string{"week1/*.mkv"}, want: nil},
		{name: "two do not", include: []string{"week1/**/*.mkv"}, want: []string{"week1/x/y/z.mkv"}},
		{name: "all below", include: []string{"/week1/"}, want: []string{"week1/a.mp4", "week1/drafts/c.mp4", "week1/x/y/z.mkv"}},
		{name: "exclude takes precedence", include: []string{"week1/"}, exclude: []string{"*.mkv", "c.*"}, want: []string{"week1/a.mp4"}},
		{name: "alternatives", include: []string{"{b,c}.m*"}, want: []string{"b.mkv", "week1/drafts/c.mp4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := mediafiles.NewSelect(tt.include, tt.exclude)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range all {
				if s.Keep(p, false) {
					got = append(got, p)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestSelectPrunes checks which directories need not be read.
func TestSelectPrunes(t *testing.T) {
	t.Parallel()
	s, err := mediafiles.NewSelect([]string{"*.mkv"}, []string{"drafts/", "*.mp4"})
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{"week1": true, "week1/drafts": false, "drafts/x": false} {
		if s.Keep(dir, true) != want {
			t.Errorf("%s: got %t", dir, !want)
		}
	}
}

func TestFindSelected(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"a.mp4": media, "drafts/b.mp4": media, "c.mkv": media, "notes.txt": "x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := mediafiles.NewSelect(nil, []string{"drafts/", "*.mkv"})
	if err != nil {
		t.Fatal(err)
	}
	found := s.Find([]string{dir})
	if len(found.Files) != 1 || found.Files[0].Name != "a.mp4" || found.Skipped != (mediafiles.Skipped{Other: 1, Unwanted: 1}) {
		t.Errorf("got %+v", found)
	}
	// Files that are named are selected too: the shell may have expanded a pattern.
	found = s.Find([]string{filepath.Join(dir, "a.mp4"), filepath.Join(dir, "c.mkv")})
	if len(found.Files) != 1 || found.Skipped.Unwanted != 1 {
		t.Errorf("got %+v", found)
	}
	s, err = mediafiles.NewSelect([]string{"*.avi"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	found = s.Find([]string{dir})
	if len(found.Failures) != 1 || found.Failures[0].Err.Hint != "check --include and --exclude" {
		t.Errorf("got %+v", found)
	}
}

func TestInvalidPattern(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"", "/", "[a", "{a"} {
		if _, err := mediafiles.NewSelect(nil, []string{p}); sx.CodeOf(err) != sx.CodeUsage {
			t.Errorf("%q: got %v", p, err)
		}
	}
}
