package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/server/sx"
)

func readFile(t *testing.T, path string) *config.File {
	t.Helper()
	f, err := config.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSavePreservesOtherContent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	before := `# my settings
parallel: 4 # the line is fast
context: team # work
contexts:
  # the office
  team:
    server: https://sound.example.com
`
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	f := readFile(t, path)
	if err := f.Put("local", config.Context{Server: "http://127.0.0.1:1", Data: "/data"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(before, "context: team", "context: local", 1) +
		"  local:\n    server: http://127.0.0.1:1\n    data: /data\n"
	if string(after) != want {
		t.Errorf("got\n%s\nwant\n%s", after, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	leftovers, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(leftovers) != 1 {
		t.Errorf("got %v, %v, want the file alone", leftovers, err)
	}
}

func TestNewFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"missing": "", "empty": "\n", "comment only": "# nothing yet\n", "null": "null\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "new", "config.yaml")
			if content != "" {
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f := readFile(t, path)
			if err := f.Put("local", config.Context{Server: "http://127.0.0.1:1"}); err != nil {
				t.Fatal(err)
			}
			if err := f.Save(); err != nil {
				t.Fatal(err)
			}
			f = readFile(t, path)
			if f.Context != "local" || f.Contexts["local"].Server != "http://127.0.0.1:1" {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func TestPutChangesAContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	f := readFile(t, path)
	for _, server := range []string{"http://127.0.0.1:1", "http://127.0.0.1:2"} {
		if err := f.Put("local", config.Context{Server: server, Data: "/d"}); err != nil {
			t.Fatal(err)
		}
		if err := f.Save(); err != nil {
			t.Fatal(err)
		}
	}
	f = readFile(t, path)
	if got := f.Contexts["local"]; got != (config.Context{Server: "http://127.0.0.1:2", Data: "/d"}) || len(f.Contexts) != 1 {
		t.Errorf("got %+v", f.Contexts)
	}
}

func TestUseUnknownContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	f := readFile(t, path)
	if err := f.Use("team"); sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(sx.AsError(err).Hint, "sx up") {
		t.Errorf("without contexts: %v", err)
	}
	if err := f.Put("local", config.Context{Server: "http://h"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Use("team"); !strings.Contains(sx.AsError(err).Hint, "local") {
		t.Errorf("the hint does not list the contexts: %v", sx.AsError(err).Hint)
	}
}

func TestSymbolicLinkIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, link := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(target, []byte("parallel: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := config.WriteFile(link, []byte("parallel: 2\n")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if raw, err := os.ReadFile(target); err != nil || string(raw) != "parallel: 2\n" {
		t.Errorf("got %q, %v", raw, err)
	}
}

func TestFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := readFile(t, filepath.Join(t.TempDir(), "config.yaml"))
	f.Path = filepath.Join(blocked, "config.yaml")
	if err := f.Put("local", config.Context{Server: "http://h"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("got %v", err)
	}
}
