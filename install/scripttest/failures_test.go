package scripttest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFailures(t *testing.T) {
	tests := []struct {
		name  string
		args  []string
		uname string // the output of uname -sm; "" for the real one
		spoil func(t *testing.T, m *mirror)
		code  int
		wants []string
	}{
		{
			name: "checksum mismatch", code: 1,
			spoil: func(t *testing.T, m *mirror) {
				for _, p := range everywhere {
					m.put(t, "1.2.3", "sx_1.2.3_"+p+".tar.xz", archiveOf(t, "6.6.6"))
				}
			},
			wants: []string{"checksum mismatch for sx_1.2.3_", ": SHA-256 is ", "hint: run this again"},
		},
		{
			name: "unknown system", uname: "Plan9 x86_64", code: 1,
			wants: []string{"supports Linux and macOS, not Plan9", "hint: the archives of all systems are at "},
		},
		{
			name: "unknown processor", uname: "Linux mips", code: 1,
			wants: []string{"no sx build for architecture mips", "hint: build it from source"},
		},
		{
			name: "no archive for the platform", uname: "Linux x86_64", code: 1,
			spoil: func(t *testing.T, m *mirror) { m.release(t, "1.2.3", "darwin_arm64") },
			wants: []string{"the release has no archive for Linux on x86_64", "hint: see the releases at "},
		},
		{
			name: "unknown version", args: []string{"--version", "9.9.9"}, code: 1,
			wants: []string{"release 9.9.9 not found at ", "hint: see the releases at "},
		},
		{
			name: "the listed archive is missing", uname: "Linux aarch64", code: 1,
			spoil: func(t *testing.T, m *mirror) {
				if err := os.Remove(filepath.Join(m.dir, "download", "v1.2.3", "sx_1.2.3_linux_arm64.tar.xz")); err != nil {
					t.Fatal(err)
				}
			},
			wants: []string{"archive not found at "},
		},
		{
			name: "the download is interrupted", uname: "Linux x86_64", code: 1,
			spoil: func(_ *testing.T, m *mirror) { m.breakOff = "/download/v1.2.3/sx_1.2.3_linux_amd64.tar.xz" },
			wants: []string{"error: download of ", " failed: ", "hint: check the network and run this again; nothing was changed"},
		},
		{
			name: "unreachable server", code: 1,
			spoil: func(_ *testing.T, m *mirror) { m.url = "http://127.0.0.1:1" },
			wants: []string{"error: download of ", " failed: ", "hint: check the network"},
		},
		{
			name: "invalid version", args: []string{"--version", "../1"}, code: 64,
			wants: []string{"invalid version ../1", "usage: install.sh"},
		},
		{name: "unknown option", args: []string{"--force"}, code: 64, wants: []string{"unknown option --force", "usage: install.sh"}},
		{name: "missing value", args: []string{"--dir"}, code: 64, wants: []string{"--dir requires a value", "usage: install.sh"}},
	}
	inEach(t, func(t *testing.T, shell string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				m := newMirror(t)
				m.release(t, "1.2.3", everywhere...)
				if tt.spoil != nil {
					tt.spoil(t, m)
				}
				tools, home := t.TempDir(), t.TempDir()
				if system, machine, ok := strings.Cut(tt.uname, " "); ok {
					program(t, tools, "uname", `[ "$1" = -s ] && echo `+system+` || echo `+machine)
				}
				said, code := run{shell: shell, home: home, path: tools, args: tt.args}.do(t, m)
				if code != tt.code {
					t.Errorf("exit code %d, want %d", code, tt.code)
				}
				wants(t, said, append(tt.wants, "error: ")...)
				if got := names(t, filepath.Join(home, ".local", "bin")); len(got) > 0 {
					t.Errorf("installed: %v", got)
				}
			})
		}
	})
}

func TestInvalidTarget(t *testing.T) {
	inEach(t, func(t *testing.T, shell string) {
		m := newMirror(t)
		m.url = "http://127.0.0.1:1" // the directory is checked before anything is downloaded
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		said, code := run{shell: shell, args: []string{"--dir", file + "/bin"}}.do(t, m)
		if code != 1 {
			t.Errorf("exit code %d", code)
		}
		wants(t, said, "error: cannot write to "+file+"/bin", "hint: choose another directory with --dir DIR, or use --sudo")
	})
}

// TestReadOnlyTarget runs the script as an unprivileged user, because root can
// write anywhere.
func TestReadOnlyTarget(t *testing.T) {
	inEach(t, func(t *testing.T, shell string) {
		m := newMirror(t)
		m.release(t, "1.2.3", everywhere...)
		script, err := os.ReadFile("../install.sh")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for path, mode := range map[string]os.FileMode{dir: 0o555, filepath.Dir(dir): 0o755} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), shell, "-s", "--", "--dir", dir)
		cmd.Dir = "/"
		cmd.Stdin = strings.NewReader(string(script)) // as with curl | sh
		cmd.Env = []string{"SX_RELEASES=" + m.url, "PATH=/usr/bin:/bin"}
		asNobody(cmd)
		said, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("it succeeded:\n%s", said)
		}
		wants(t, string(said), "error: cannot write to "+dir, "or use --sudo")
	})
}

// TestTruncatedScript checks that a truncated script does nothing.
func TestTruncatedScript(t *testing.T) {
	inEach(t, func(t *testing.T, shell string) {
		script, err := os.ReadFile("../install.sh")
		if err != nil {
			t.Fatal(err)
		}
		home := t.TempDir()
		whole := string(script)
		for _, half := range []string{whole[:len(whole)/2], strings.TrimSuffix(whole, "main \"$@\"\n")} {
			cmd := exec.CommandContext(t.Context(), shell)
			cmd.Stdin = strings.NewReader(half)
			cmd.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin", "SX_RELEASES=http://127.0.0.1:1"}
			_ = cmd.Run() // the shell may report a syntax error
			if got := names(t, home); len(got) > 0 {
				t.Errorf("it created %v", got)
			}
		}
	})
}
