package download_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

// TestLinksAreNotFollowed checks that an MP3 that the server names is never written
// through a link, neither of a directory nor of the file itself, and that one that the
// user names is.
func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]string{"the file": "week/talk.mp3", "a directory": "week"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, dir, elsewhere := gateway.New(t), t.TempDir(), t.TempDir()
			id := server.Add("week/talk.mp4", sx.StateDone, []byte("sound"))
			victim := filepath.Join(elsewhere, "talk.mp3")
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			at, to := filepath.Join(dir, filepath.FromSlash(link)), victim
			if name == "a directory" {
				to = elsewhere
			}
			if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(to, at); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"--all"}, {id}, {"--all", "--dry-run"}} {
				_, errOut, err := run(t, server, false, append(args, "-o", dir+"/", "--force")...)
				if err == nil || !strings.Contains(err.Error()+errOut, "is a symbolic link, which is not followed") {
					t.Errorf("%v: said %q, ended with %v", args, errOut, err)
				}
				entries, _ := os.ReadDir(elsewhere)
				if raw, err := os.ReadFile(victim); err != nil || string(raw) != "precious" || len(entries) != 1 {
					t.Fatalf("%v wrote through the link: %q, %v, %v", args, raw, entries, err)
				}
			}
			if _, _, err := run(t, server, false, id, "-o", filepath.Join(dir, "week", "talk.mp3"), "--force"); err != nil {
				t.Errorf("named by the user: %v", err)
			}
			if raw, err := os.ReadFile(victim); err != nil || string(raw) != "sound" {
				t.Errorf("named by the user: %q, %v", raw, err)
			}
		})
	}
}
