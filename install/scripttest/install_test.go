// Package scripttest_test tests install.sh and, with the build tag snapshot, a
// complete release built by make snapshot-test.
package scripttest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var everywhere = []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"}

// run is one run of install.sh.
type run struct {
	shell string
	home  string
	env   []string
	args  []string
	// path comes before the system directories.
	path string
}

// do returns the script's output and its exit code.
func (r run) do(t *testing.T, m *mirror) (said string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), r.shell, append([]string{"../install.sh"}, r.args...)...)
	cmd.Env = append([]string{
		"SX_RELEASES=" + m.url, "HOME=" + r.home, "TMPDIR=" + t.TempDir(),
		"PATH=" + r.path + ":/usr/local/bin:/usr/bin:/bin",
	}, r.env...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(cmd.Env[2][len("TMPDIR="):]); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// inEach runs a test in every shell that install.sh supports.
func inEach(t *testing.T, test func(t *testing.T, shell string)) {
	t.Helper()
	t.Parallel()
	for _, shell := range []string{"sh", "bash"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			test(t, shell)
		})
	}
}

// wants fails the test unless the output contains all parts.
func wants(t *testing.T, said string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(said, part) {
			t.Errorf("%q is not in the output:\n%s", part, said)
		}
	}
}

func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestLatest(t *testing.T) {
	inEach(t, func(t *testing.T, shell string) {
		m := newMirror(t)
		m.release(t, "1.2.3", everywhere...)
		m.release(t, "1.10.0", everywhere...)
		home := t.TempDir()
		bin := filepath.Join(home, ".local", "bin")
		said, code := run{shell: shell, home: home}.do(t, m)
		if code != 0 {
			t.Fatal(said)
		}
		wants(t, said, "installed sx 1.10.0: "+bin+"/sx and "+bin+"/sxd",
			bin+" is not on your PATH", `export PATH="`+bin+`:$PATH"`, "to remove: rm '"+bin+"/sx' '"+bin+"/sxd'")
		if got := output(t, filepath.Join(bin, "sx")) + output(t, filepath.Join(bin, "sxd")); got != "sx 1.10.0sxd 1.10.0" {
			t.Errorf("the programs print %q", got)
		}
		if got := names(t, bin); !slices.Equal(got, []string{"sx", "sxd"}) {
			t.Errorf("%s contains %v", bin, got)
		}
	})
}

func TestGivenVersion(t *testing.T) {
	inEach(t, func(t *testing.T, shell string) {
		m := newMirror(t)
		m.release(t, "1.2.3", everywhere...)
		m.release(t, "1.3.0", everywhere...)
		dir := filepath.Join(t.TempDir(), "with space")
		for _, version := range []string{"1.3.0", "v1.2.3"} { // the second run overwrites the first
			said, code := run{shell: shell, path: dir, args: []string{"--version", version, "--dir", dir}}.do(t, m)
			if code != 0 {
				t.Fatal(said)
			}
			if strings.Contains(said, "PATH") {
				t.Errorf("%s is on PATH, but the output is:\n%s", dir, said)
			}
		}
		if got := output(t, filepath.Join(dir, "sx")); got != "sx 1.2.3" {
			t.Errorf("sx prints %q", got)
		}
	})
}

func TestAnotherProgramFirstOnPath(t *testing.T) {
	inEach(t, func(t *testing.T, shell string) {
		m := newMirror(t)
		m.release(t, "1.2.3", everywhere...)
		first, dir := t.TempDir(), t.TempDir()
		program(t, first, "sx", "exit 0")
		said, code := run{shell: shell, path: first + ":" + dir, args: []string{"--dir", dir}}.do(t, m)
		if code != 0 {
			t.Fatal(said)
		}
		wants(t, said, "another sx is first on your PATH: "+first+"/sx")
	})
}

func TestSudo(t *testing.T) {
	inEach(t, func(t *testing.T, shell string) {
		m := newMirror(t)
		m.release(t, "1.2.3", everywhere...)
		tools, dir := t.TempDir(), t.TempDir()
		program(t, tools, "sudo", `echo "sudo $1" >&2; exec "$@"`)
		said, code := run{shell: shell, path: tools, args: []string{"--sudo", "--dir", dir}}.do(t, m)
		if code != 0 {
			t.Fatal(said)
		}
		wants(t, said, "to remove: sudo rm")
		said, _ = run{shell: shell, path: tools, args: []string{"--dir", dir}}.do(t, m)
		if strings.Contains(said, "sudo") {
			t.Errorf("sudo was used without --sudo:\n%s", said)
		}
	})
}

// program writes an executable shell script.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
