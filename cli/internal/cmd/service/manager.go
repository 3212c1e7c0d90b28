package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// condition is the state of the service.
type condition int

const (
	absent  condition = iota // not installed
	stopped                  // installed, but not running
	active                   // running
)

// manager is the service manager of the system.
type manager struct {
	file   string            // the path of the unit
	render func(Unit) []byte // its content
	usable []string          // succeeds if the manager can be used
	load   [][]string        // commands after the file was written, which start nothing
	start  [][]string        // commands that start the service
	stop   [][]string        // commands before the file is removed
	forget [][]string        // commands after it
	active []string          // succeeds if the service runs
}

// unitName is the name of the systemd unit.
const unitName = "soundextract.service"

// newManager returns the service manager of this system. If it has none that sx knows,
// the error says what to do instead.
func newManager() (*manager, error) {
	var m *manager
	switch runtime.GOOS {
	case "linux":
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil, noHome(err)
		}
		ctl := func(args ...string) []string { return append([]string{"systemctl", "--user"}, args...) }
		m = &manager{
			file: filepath.Join(dir, "systemd", "user", unitName), render: Unit.Systemd,
			usable: ctl("show", "--property=Version"),
			load:   [][]string{ctl("daemon-reload"), ctl("enable", unitName)},
			start:  [][]string{ctl("restart", unitName)},
			stop:   [][]string{ctl("disable", "--now", unitName)},
			forget: [][]string{ctl("daemon-reload")},
			active: ctl("is-active", "--quiet", unitName),
		}
	case "darwin":
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, noHome(err)
		}
		domain := "gui/" + strconv.Itoa(os.Getuid())
		file := filepath.Join(home, "Library", "LaunchAgents", label+".plist")
		m = &manager{
			file: file, render: Unit.Launchd,
			usable: []string{"launchctl", "print", domain},
			start:  [][]string{{"launchctl", "bootstrap", domain, file}},
			stop:   [][]string{{"launchctl", "bootout", domain + "/" + label}},
			active: []string{"launchctl", "print", domain + "/" + label},
		}
	default:
		return nil, unsupported("sx cannot install services on " + runtime.GOOS)
	}
	if _, err := exec.LookPath(m.active[0]); err != nil {
		return nil, unsupported("this machine has no " + m.active[0])
	}
	return m, nil
}

func unsupported(why string) error {
	return sx.NewError(sx.CodeInvalid, "%s", why).
		WithHint("start the server with what starts programs at sign-in here: %s", nextcmd.Line("sx", "up", "-d"))
}

func noHome(err error) error {
	return sx.NewError(sx.CodeInvalid, "cannot find your home directory").WithCause(err).WithHint("set HOME to its path")
}

func (m *manager) path() string { return m.file }

// prepare writes the unit, and stops nothing that runs. It fails if the service could not
// be started.
func (m *manager) prepare(ctx context.Context, u Unit) error {
	if err := run(ctx, [][]string{m.usable}); err != nil { // such as in a shell of su or sudo
		return sx.AsError(err).WithHint("nothing was changed; start the server without a service, with: %s", nextcmd.Line("sx", "up", "-d"))
	}
	was := m.state(ctx)
	if err := config.WriteFile(m.file, m.render(u)); err != nil {
		return fmt.Errorf("write the service: %w", err)
	}
	if err := run(ctx, m.load); err != nil {
		if was == absent {
			_ = os.Remove(m.file) // nothing starts it
		}
		return err
	}
	return nil
}

// launch starts the service that was prepared.
func (m *manager) launch(ctx context.Context) error {
	if len(m.load) == 0 { // launchd does not replace a service, and it may not be loaded
		_ = run(ctx, m.stop)
	}
	if err := run(ctx, m.start); err != nil {
		_ = run(ctx, m.stop)
		_ = os.Remove(m.file) // nothing starts it
		_ = run(ctx, m.forget)
		return err
	}
	return nil
}

// uninstall stops the service and removes its unit. It reports whether there was one.
func (m *manager) uninstall(ctx context.Context) (was bool, err error) {
	if m.state(ctx) == absent {
		return false, nil
	}
	// A service that is not loaded cannot be stopped.
	stopErr := run(ctx, m.stop)
	if err := os.Remove(m.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true, errors.Join(stopErr, fmt.Errorf("remove the service: %w", err))
	}
	return true, run(ctx, m.forget)
}

func (m *manager) state(ctx context.Context) condition {
	if _, err := os.Stat(m.file); err != nil {
		return absent
	}
	if exec.CommandContext(ctx, m.active[0], m.active[1:]...).Run() != nil {
		return stopped
	}
	return active
}

// run runs commands until one fails.
func run(ctx context.Context, commands [][]string) error {
	for _, argv := range commands {
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			why := strings.TrimSpace(string(out))
			if why == "" {
				why = err.Error()
			}
			return sx.NewError(sx.CodeUnavailable, "%s failed: %s", strings.Join(argv, " "), firstLine(why)).WithCause(err).
				WithHint("see its state with: %s", nextcmd.Line("sx", "service", "status"))
		}
	}
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
