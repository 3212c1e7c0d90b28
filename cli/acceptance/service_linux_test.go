package acceptance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/soundextract/sx/cli/acceptance/programs"
	"github.com/soundextract/sx/server/testkit"
)

// userManager is a systemd that manages the services of a user, as after a sign-in.
type userManager struct {
	t   *testing.T
	dir string // XDG_RUNTIME_DIR, in which systemctl finds it
	cmd *exec.Cmd
}

// signIn starts the user manager of the laptop's user. It ends with the test.
func (l *laptop) signIn(dir string) *userManager {
	l.t.Helper()
	// It runs only where systemd is the init system, which it recognises by a directory.
	const script = "mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec /lib/systemd/systemd --user --log-target=console"
	m := &userManager{t: l.t, dir: dir, cmd: exec.CommandContext(l.t.Context(), "unshare", "--mount", "sh", "-c", script)}
	m.cmd.Env = slices.Concat(l.command().Env, []string{m.env()})
	if err := m.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(m.signOut)
	testkit.Eventually(l.t, "systemd is ready", func() bool {
		_, err := os.Stat(filepath.Join(dir, "systemd", "private"))
		return err == nil
	})
	return m
}

func (m *userManager) env() string { return "XDG_RUNTIME_DIR=" + m.dir }

// signOut stops the services and the manager.
func (m *userManager) signOut() {
	if m.cmd.ProcessState != nil {
		return
	}
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	_ = m.cmd.Wait() // how it ends does not matter
	_ = os.RemoveAll(filepath.Join(m.dir, "systemd"))
}

// TestService installs the local server as a service of the real systemd, and signs out
// and in again.
func TestService(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "systemctl", "unshare")
	if out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "mount", "-t", "tmpfs", "none", "/run").CombinedOutput(); err != nil {
		t.Skipf("a user manager can be started only by somebody who may mount: %s", out)
	}
	l := newLaptop(t)
	dir, err := os.MkdirTemp("", "sx") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Cleanup(func() { programs.Kill(l.data()) })
	manager := l.signIn(dir)
	sx := func(wantCode int, args, want string) {
		t.Helper()
		cmd := l.command(strings.Fields(args)...)
		cmd.Env = append(cmd.Env, manager.env())
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != wantCode || !strings.Contains(string(out), want) {
			t.Errorf("sx %s: exit code %d, want %d and %q in\n%s", args, code, wantCode, want, out)
		}
	}
	unit := l.path(".config/systemd/user/soundextract.service")
	sx(0, "service status", "The local server is not installed as a service\n")
	sx(0, "service uninstall --json", `"uninstalled":false`)

	// It takes over the server that sx up started, with its address and settings.
	sx(0, "up -d --addr 127.0.0.1:0 --quota 1GiB", "The local server is running at")
	before, err := programs.Find(l.data())
	if err != nil {
		t.Fatal(err)
	}
	sx(0, "service install", "The local server runs at "+before.URL+", now and after each sign-in\n")
	if raw, err := os.ReadFile(unit); err != nil || !strings.Contains(string(raw), `ExecStart="`+bin.Path("sx")+`" "service" "run" "--data" "`+l.data()+`"`) {
		t.Errorf("the unit is %s, %v", raw, err)
	}
	sx(0, "service status --json", `{"file":"`+unit+`","installed":true,"running":true}`)
	sx(0, "status", "quota: 1GiB")
	sx(0, "convert talk.mp4", "talk.mp3")
	sx(0, "service install", "The local server runs at "+before.URL) // again
	sx(0, "down", "Stopped the local server")
	sx(0, "service status", "starts at sign-in, but is not running as a service now\n")

	manager.signOut()
	manager = l.signIn(dir)
	testkit.Eventually(t, "the server runs after a sign-in", func() bool {
		code, _ := l.run("", "status")
		return code == 0
	})
	sx(0, "service status", "The local server starts at sign-in; it is running\n")
	sx(0, "jobs", "talk.mp4")

	sx(0, "service uninstall", "The local server no longer starts at sign-in\n")
	if _, err := os.Stat(unit); err == nil {
		t.Error("the unit is still there")
	}
	sx(0, "service status", "The local server is not installed as a service\n")
	if _, err := programs.Find(l.data()); err == nil {
		t.Error("the server still runs")
	}
	// Nothing is left for the next sign-in either.
	if links, _ := filepath.Glob(filepath.Dir(unit) + "/*.wants/*"); len(links) != 0 {
		t.Errorf("left are %v", links)
	}
}
