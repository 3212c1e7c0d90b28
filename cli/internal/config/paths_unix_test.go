//go:build unix

package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/config"
)

// TestStateWithoutHome checks that a directory in the shared temporary directory is used
// only if no other user can have created it.
func TestStateWithoutHome(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(dir string) error
		used    bool
	}{
		{"there is none", func(string) error { return nil }, true},
		{"one's own", func(dir string) error { return os.Mkdir(dir, 0o700) }, true},
		{"open to others", func(dir string) error {
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
			return os.Chmod(dir, 0o711) //nolint:gosec // that is the test
		}, false},
		{"a link", func(dir string) error { return os.Symlink(filepath.Dir(dir), dir) }, false},
		{"a file", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, false},
		{"another user's", func(dir string) error {
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
			return os.Chown(dir, 65534, 65534)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shared := t.TempDir()
			t.Setenv("TMPDIR", shared)
			t.Setenv("HOME", "")
			t.Setenv("XDG_STATE_HOME", "")
			usual := filepath.Join(shared, fmt.Sprintf("soundextract-%d", os.Getuid()))
			if err := tt.prepare(usual); err != nil {
				t.Skip(err) // only root can give a directory away
			}
			dir, err := config.StateDir()
			if err != nil {
				t.Fatal(err)
			}
			if (dir == usual) != tt.used || !strings.HasPrefix(dir, shared) {
				t.Errorf("got %s", dir)
			}
			if info, err := os.Lstat(dir); err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
}
