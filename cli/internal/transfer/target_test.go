package transfer_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/sx"
)

func TestTrackPath(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, video, want string }{
		{"a video", "talk.mp4", "talk.mp3"},
		{"two extensions", "talk.final.mkv", "talk.final.mp3"},
		{"no extension", "talk", "talk.mp3"},
		{"other scripts", "会議 1.mp4", "会議 1.mp3"},
		{"a path", "week1/intro.mp4", "week1/intro.mp3"},
		{"a path out of the directory", "../../etc/passwd.mp4", "etc/passwd.mp3"},
		{"an absolute path", "/etc/passwd.mp4", "etc/passwd.mp3"},
		{"hidden directories", ".ssh/-x/../a.mp4", "ssh/x/a.mp3"},
		{"directories with nothing but dots", ".../a.mp4", "directory/a.mp3"},
		{"a directory like a device", "nul/a.mp4", "_nul/a.mp3"},
		{"joiners", "👨\u200d👩\u200d👧.mp4", "👨\u200d👩\u200d👧.mp3"},
		{"hidden", "..hidden.mp4", "hidden.mp3"},
		{"looks like an option", "-rf.mp4", "rf.mp3"},
		{"only an extension", ".mp4", "track.mp3"},
		{"nothing", "", "video.mp3"},
		{"characters that Windows refuses", `a<b>:"c"|d?*.mp4`, "a_b___c__d__.mp3"},
		{"a device of Windows", "con.mp4", "_con.mp3"},
		{"a device with more", "LPT1.x.mp4", "_LPT1.x.mp3"},
		{"like a device", "console.mp4", "console.mp3"},
		{"blanks and dots at the end", "talk. ..mp4", "talk.mp3"},
		{"control characters", "a\x1b[31m\n.mp4", "a[31m.mp3"},
		{"text that turns around", "a\u202e4pm.mp4", "a4pm.mp3"},
	}
	if runtime.GOOS != "windows" {
		tests = append(tests, struct{ name, video, want string }{"a backslash", `a\b.mp4`, `a\b.mp3`})
	}
	for _, tt := range tests {
		if got := filepath.ToSlash(transfer.TrackPath(tt.video)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "there.mp3")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		output  string
		several bool
		videos  []string
		want    []string
		wantErr string
	}{
		{"here", "", true, []string{"a.mp4", "a.mkv", "A.mov", "b.mp4"}, []string{"a.mp3", "a (2).mp3", "A (3).mp3", "b.mp3"}, ""},
		{"subdirectories", "", true, []string{"1/a.mp4", "2/a.mp4"}, []string{"1/a.mp3", "2/a.mp3"}, ""},
		{"a file", dir + "/x.mp3", false, []string{"a.mp4"}, []string{dir + "/x.mp3"}, ""},
		{"a file without an extension", dir + "/x", false, []string{"a.mp4"}, []string{dir + "/x"}, ""},
		{"a directory", dir, false, []string{"a.mp4"}, []string{dir + "/a.mp3"}, ""},
		{"a new directory", dir + "/new/deep/", false, []string{"a.mp4"}, []string{dir + "/new/deep/a.mp3"}, ""},
		{"a new directory for several", dir + "/new2", true, []string{"a.mp4"}, []string{dir + "/new2/a.mp3"}, ""},
		{"several in one file", file, true, nil, nil, "is not a directory"},
		{"several in one new file", dir + "/all.mp3", true, nil, nil, "is not a directory"},
		{"several in a file of another kind", dir + "/all.ogg", true, nil, nil, "is not a directory"},
		{"a file of another kind", dir + "/x.ogg", false, nil, nil, "only MP3s can be written"},
		{"a file of no kind", dir + "/x.2", false, nil, nil, "only MP3s can be written"},
		{"a directory below a file", file + "/x/", false, nil, nil, "not a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			targets, err := transfer.NewTargets(tt.output, tt.several, false)
			if tt.wantErr != "" {
				if known := sx.AsError(err); !strings.Contains(known.Message, tt.wantErr) || known.Hint == "" {
					t.Errorf("got %+v, want %q", known, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, video := range tt.videos {
				if got := targets.Path(video, nil); got != filepath.FromSlash(tt.want[i]) {
					t.Errorf("%s: got %q, want %q", video, got, tt.want[i])
				}
			}
		})
	}
}

func TestFlatTargets(t *testing.T) {
	t.Parallel()
	targets, err := transfer.NewTargets("out", true, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a.mp3", "a (2).mp3"} {
		if got := targets.Path([]string{"1/a.mp4", "2/a.mp4"}[i], nil); got != filepath.Join("out", want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestUnusableTargets(t *testing.T) {
	t.Parallel()
	targets := &transfer.Targets{Dir: "out"}
	got := targets.Path("a.mp4", func(path string) bool { return path == filepath.Join("out", "a (3).mp3") })
	if want := filepath.Join("out", "a (3).mp3"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
