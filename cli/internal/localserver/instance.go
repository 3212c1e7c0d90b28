// Package localserver starts, finds and stops sxd, the local server of a data
// directory.
package localserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Instance is the instance file that a running sxd keeps in its data directory.
type Instance struct {
	PID      int    `json:"pid"`
	Addr     string `json:"addr"`
	URL      string `json:"url"`
	Instance string `json:"instance"`
	Version  string `json:"version"`
	Owner    string `json:"owner"` // the name of the owner's account
	// Sandbox is what protects the server from ffmpeg.
	Sandbox Sandbox `json:"sandbox"`
	// Backup is the secret that OpenBackup needs.
	Backup string `json:"backup"`
}

// Sandbox is what protects a server from ffmpeg.
type Sandbox struct {
	Landlock int  `json:"landlock_abi"` // version of the ABI; 0 means none
	Seccomp  bool `json:"seccomp"`      // system calls are filtered
	User     bool `json:"user"`         // ffmpeg runs as another user
}

// LogPath returns the path of the log of a server started by this package.
func LogPath(dir string) string { return filepath.Join(dir, "sxd.log") }

// Recorded reads the instance file of the sxd that started last on the directory. It
// returns nil if there is no valid one; sxd removes its own on an orderly exit.
func Recorded(dir string) *Instance {
	raw, err := os.ReadFile(filepath.Join(dir, api.InstanceFile))
	if err != nil {
		return nil
	}
	var in Instance
	if json.Unmarshal(raw, &in) != nil || in.PID <= 0 || in.URL == "" {
		return nil
	}
	in.URL = reachable(in.URL)
	return &in
}

// reachable replaces the unspecified address, 0.0.0.0 or [::], with the loopback
// address, because not every system can connect to the former.
func reachable(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() {
		u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	}
	return u.String()
}

// Running returns the directory's running server, or nil. Only a server that answers
// with the recorded instance counts: after a reboot, the recorded process ID may be
// that of any other program.
//
// If something listens at the address but does not answer, the error is an *sx.Error
// of code unavailable.
func Running(ctx context.Context, dir string) (*Instance, error) {
	return running(ctx, dir, answerTimeout)
}

func running(ctx context.Context, dir string, timeout time.Duration) (*Instance, error) {
	in := Recorded(dir)
	if in == nil {
		return nil, nil
	}
	c, err := newClient(in.URL)
	if err != nil {
		return nil, nil // not written by sxd
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	health, err := c.Health(ctx)
	var network net.Error
	switch {
	case err == nil && health.Instance == in.Instance:
		return in, nil
	case errors.Is(err, context.Canceled):
		return nil, err
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout():
		return nil, sx.NewError(sx.CodeUnavailable, "the local server at %s does not respond", in.Addr).
			WithHint("see its log, %s; to kill it: kill -9 %d", LogPath(dir), in.PID)
	default:
		return nil, nil
	}
}

// answerTimeout is how long a local server may take to answer a health check.
const answerTimeout = 5 * time.Second

func newClient(server string) (*client.Client, error) {
	return client.New(server, &http.Client{Transport: directly})
}

// directly connects without a proxy: the server is on this machine.
var directly = &http.Transport{DisableKeepAlives: true}

// Forget removes the instance file of a server that is no longer running.
func Forget(dir string) error {
	err := os.Remove(filepath.Join(dir, api.InstanceFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the instance file: %w", err)
	}
	return nil
}

// DataDir returns the absolute path of the data directory that sx up uses: the one asked
// for, or if that is "", the one used last, or else the default.
func DataDir(asked string) (string, error) {
	file, err := config.ReadUserFile()
	if err != nil {
		return "", err
	}
	return Dir(asked, file.LastData())
}

// Dir returns the absolute path of the data directory: the one asked for, or else
// the one used last, or else the default. Both arguments may be "".
func Dir(asked, last string) (string, error) {
	dir := asked
	if dir == "" {
		dir = last
	}
	if dir == "" {
		return config.DataDir()
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", sx.NewError(sx.CodeInvalid, "cannot find the data directory %q", dir).WithCause(err).
			WithHint("give its full path with --data")
	}
	return abs, nil
}
