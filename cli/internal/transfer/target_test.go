package transfer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/sx"
)

func TestTrackName(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, video, want string }{
		{"a video", "talk.mp4", "talk.mp3"},
		{"two extensions", "talk.final.mkv", "talk.final.mp3"},
		{"no extension", "talk", "talk.mp3"},
		{"other scripts", "会議 1.mp4", "会議 1.mp3"},
		{"a path", "../../etc/passwd.mp4", "passwd.mp3"},
		{"a path of Windows", `C:\talks\a.mp4`, "a.mp3"},
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
	for _, tt := range tests {
		if got := transfer.TrackName(tt.video); got != tt.want {
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
		{"a file", dir + "/x.mp3", false, []string{"a.mp4"}, []string{dir + "/x.mp3"}, ""},
		{"a directory", dir, false, []string{"a.mp4"}, []string{dir + "/a.mp3"}, ""},
		{"a new directory", dir + "/new/deep/", false, []string{"a.mp4"}, []string{dir + "/new/deep/a.mp3"}, ""},
		{"a new directory for several", dir + "/new2", true, []string{"a.mp4"}, []string{dir + "/new2/a.mp3"}, ""},
		{"several in one file", file, true, nil, nil, "is not a directory"},
		{"a directory below a file", file + "/x/", false, nil, nil, "cannot create the directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			targets, err := transfer.NewTargets(tt.output, tt.several)
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
				if got := targets.Path(video); got != filepath.FromSlash(tt.want[i]) {
					t.Errorf("%s: got %q, want %q", video, got, tt.want[i])
				}
			}
		})
	}
}
