package service_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/service"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestMain(m *testing.M) { clitest.Main(m) }

// TestWithoutSystemd checks that nothing is installed where nothing would start it.
func TestWithoutSystemd(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS"} {
		t.Setenv(v, "")
	}
	t.Setenv("HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("SX_CONFIG", filepath.Join(dir, "config.yaml"))
	fails := func(want string, args ...string) {
		t.Helper()
		streams, out, _ := term.Test("")
		err := clitest.Run(t, service.NewCmd(&cmdutil.Factory{IO: streams}), args...)
		if known := sx.AsError(err); err == nil || !strings.Contains(known.Message, want) || known.Hint == "" || out.Len() > 0 {
			t.Errorf("%q: printed %q, ended with %+v", args, out, known)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".config/systemd/user/*")); len(left) != 0 {
			t.Errorf("%q: left are %v", args, left)
		}
	}
	systemctl, err := exec.LookPath("systemctl")
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	for _, args := range []string{"install", "uninstall", "status"} {
		fails("this machine has no systemctl", args)
	}
	if err != nil {
		testkit.Need(t, "systemctl")
	}
	// A machine with systemd, but not as the init system.
	for name, to := range map[string]string{"systemctl": systemctl, "sxd": os.Args[0]} {
		if err := os.Symlink(to, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(clitest.EnvSXD, clitest.Well)
	data := filepath.Join(dir, "data")
	running, startErr := localserver.Start(t.Context(), localserver.Options{Program: os.Args[0], Addr: "127.0.0.1:0", Dir: data})
	if startErr != nil {
		t.Fatal(startErr)
	}
	t.Cleanup(func() { _ = running.Stop(t.Context(), nil) })
	fails("systemctl --user show --property=Version failed: ", "install", "--data", data)
	if now, err := localserver.Running(t.Context(), data); err != nil || now == nil || now.Instance != running.Instance.Instance {
		t.Errorf("the server that ran is %+v now, %v", now, err)
	}
}
