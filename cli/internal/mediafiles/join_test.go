package mediafiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/server/sx"
)

// directory creates media files that end with their names, in a new directory.
func directory(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(media+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func namesOf(found mediafiles.Found) (names []string) {
	for _, f := range found.Files {
		for _, one := range f.All() {
			names = append(names, one.Name)
		}
	}
	return names
}

// TestFindJoined checks the order of files: that of the arguments, and that of the numbers in
// a directory or a pattern.
func TestFindJoined(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		files      []string
		args       []string // "" is the directory
		want       []string
		misordered bool
	}{
		{"as given", []string{"a.mts", "b.mts", "c.mts"}, []string{"b.mts", "a.mts"}, []string{"b.mts", "a.mts"}, true},
		{"numbers", []string{"clip1.mp4", "clip2.mp4", "clip10.mp4"}, []string{""}, []string{"clip1.mp4", "clip2.mp4", "clip10.mp4"}, false},
		{"numbers in a pattern", []string{"clip1.mp4", "Clip2.mp4", "clip10.mp4"}, []string{"?lip*.mp4"}, []string{"clip1.mp4", "Clip2.mp4", "clip10.mp4"}, false},
		{"expanded by a shell", []string{"clip1.mp4", "clip2.mp4", "clip10.mp4"}, []string{"clip1.mp4", "clip10.mp4", "clip2.mp4"}, []string{"clip1.mp4", "clip10.mp4", "clip2.mp4"}, true},
		{
			"chapters of recordings",
			[]string{"GH010034.MP4", "GH010035.MP4", "GH020034.MP4", "GH030034.MP4", "GX020035.MP4"},
			[]string{""},
			[]string{"GH010034.MP4", "GH020034.MP4", "GH030034.MP4", "GH010035.MP4", "GX020035.MP4"},
			false,
		},
		{"older names of chapters", []string{"GOPR0034.MP4", "GP010034.MP4", "GP020034.MP4", "GOPR0035.MP4"}, []string{"G*.MP4"}, []string{"GOPR0034.MP4", "GP010034.MP4", "GP020034.MP4", "GOPR0035.MP4"}, false},
		{"directories", []string{"disc 10/1.wav", "disc 2/2.wav", "disc 2/11.wav"}, []string{""}, []string{"disc 2/2.wav", "disc 2/11.wav", "disc 10/1.wav"}, false},
		{"large numbers", []string{"99999999999999999999998.wav", "99999999999999999999999.wav"}, []string{""}, []string{"99999999999999999999998.wav", "99999999999999999999999.wav"}, false},
		{"one file", []string{"a.mts"}, []string{""}, []string{"a.mts"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := directory(t, tt.files...)
			var args []string
			for _, arg := range tt.args {
				args = append(args, filepath.Join(dir, arg))
			}
			found := mediafiles.Select{}.FindJoined(args)
			if diff := cmp.Diff(tt.want, namesOf(found)); diff != "" || len(found.Files) != 1 || found.Several || found.Misordered != tt.misordered {
				t.Fatalf("found %+v\n%s", found, diff)
			}
			f, size := found.Files[0], int64(0)
			for _, one := range f.All() {
				size += one.Size
			}
			if f.Name != tt.want[0] || f.Size != size || (f.Joined != nil) != (len(tt.want) > 1) {
				t.Errorf("found %+v", f)
			}
		})
	}
}

func TestFindJoinedRefuses(t *testing.T) {
	t.Parallel()
	dir := directory(t, "a.mts", "b.mts", "empty/x", "many/0.mts")
	at := func(name string) string { return filepath.Join(dir, name) }
	for i := range sx.MaxSources {
		if err := os.WriteFile(at("many/x"+strings.Repeat("1", i)+".mts"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(at("a.mts"), at("link.mts")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{at("a.mts"), at("b.mts"), at("a.mts")}, "a.mts: would be joined twice"},
		{[]string{at("a.mts"), at("link.mts")}, "link.mts: would be joined twice"},
		{[]string{at("*.mts")}, "would be joined twice"},
		{[]string{at("a.mts"), at("missing.mts")}, "missing.mts: no such file"},
		{[]string{at("a.mts"), mediafiles.Stdin}, "stdin: cannot be joined"},
		{[]string{at("many")}, "51 files cannot be joined; at most 50 can"},
	} {
		found := mediafiles.Select{}.FindJoined(tt.args)
		if len(found.Files) > 0 || len(found.Failures) != 1 {
			t.Errorf("%v: found %+v", tt.args, found)
			continue
		}
		if f := found.Failures[0]; !strings.Contains(f.Name+": "+f.Err.Message, tt.want) || f.Err.Hint == "" {
			t.Errorf("%v: %s: %v", tt.args, f.Name, f.Err)
		}
	}
}
