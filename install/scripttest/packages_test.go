//go:build snapshot && linux

package scripttest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDeb installs the package into a separate root directory and removes it
// again.
func TestDeb(t *testing.T) {
	s := built(t)
	deb := s.file(".deb")
	wants(t, must(t, "dpkg-deb", "-f", deb, "Depends", "Version"),
		"Depends: ffmpeg", "Version: "+strings.Replace(s.Version, "-", "~", 1))

	root := t.TempDir()
	for _, dir := range []string{"info", "updates"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dpkg := func(args ...string) string {
		// The root directory has no ffmpeg, and the tests may run unprivileged.
		return must(t, "dpkg", append([]string{
			"--root=" + root, "--log=" + filepath.Join(root, "log"), "--force-not-root", "--force-bad-path", "--force-depends",
		}, args...)...)
	}
	before := tree(t, root)
	dpkg("--install", deb)
	wants(t, dpkg("--status", "sx"), "Status: install ok installed")
	s.checkVersion(t, filepath.Join(root, "usr/bin/sx"))
	for _, name := range []string{
		"usr/bin/sxd", "usr/share/man/man1/sx.1", "usr/share/bash-completion/completions/sx",
		"usr/share/zsh/vendor-completions/_sx", "usr/share/fish/vendor_completions.d/sx.fish", "usr/share/doc/sx/copyright",
	} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
	if out := dpkg("--verify", "sx"); out != "" {
		t.Errorf("dpkg --verify: %s", out)
	}
	dpkg("--purge", "sx")
	if after := tree(t, root); !slices.Equal(after, before) {
		t.Errorf("files after the removal: %v, before: %v", after, before)
	}
}

// tree lists all files below a root except dpkg's own records.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, _ fs.DirEntry, err error) error {
		if path == "var/lib/dpkg" {
			return fs.SkipDir
		}
		if path != "log" {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRPM(t *testing.T) {
	s := built(t)
	rpm := s.file(".rpm")
	wants(t, must(t, "rpm", "-qp", "--requires", rpm), "/usr/bin/ffmpeg")
	wants(t, must(t, "rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{LICENSE}", rpm), "sx "+strings.Replace(s.Version, "-", "~", 1)+" Apache-2.0")
	wants(t, must(t, "rpm", "-qpl", rpm), "/usr/bin/sx\n", "/usr/bin/sxd\n", "/usr/share/man/man1/sx.1\n",
		"/usr/share/bash-completion/completions/sx\n", "/usr/share/zsh/site-functions/_sx\n")
	wants(t, must(t, "rpm", "--nosignature", "-K", rpm), "digests OK")
}
