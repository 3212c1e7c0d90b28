// Package localserver starts, finds and stops the local server, sxd, of a data
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
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Instance is what a running sxd says about itself in its data directory.
type Instance struct {
	PID      int    `json:"pid"`
	Addr     string `json:"addr"`
	URL      string `json:"url"`
	Instance string `json:"instance"`
	Version  string `json:"version"`
}

const fileName = "sxd.json"

// LogPath is the file that a server started here logs to.
func LogPath(dir string) string { return filepath.Join(dir, "sxd.log") }

// Recorded reads what the newest sxd of the directory wrote when it started. It is
// nil when there is nothing (readable): sxd removes it when it ends in order.
func Recorded(dir string) *Instance {
	raw, err := os.ReadFile(filepath.Join(dir, fileName))
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

// reachable replaces the address that stands for all of the machine's, 0.0.0.0
// or [::], by one that can be connected to everywhere.
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

// Running finds the directory's server, nil when none runs. Only the one that
// answers with the recorded instance counts: after a reboot the recorded
// process id may be that of any other program.
//
// An Error of code unavailable says that something listens at the address but
// does not answer.
func Running(ctx context.Context, dir string) (*Instance, error) {
	in := Recorded(dir)
	if in == nil {
		return nil, nil
	}
	c, err := newClient(in.URL)
	if err != nil {
		return nil, nil // not an address: not written by sxd
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	health, err := c.Health(ctx)
	var timeout net.Error
	switch {
	case err == nil && health.Instance == in.Instance:
		return in, nil
	case errors.Is(err, context.Canceled):
		return nil, err
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return nil, sx.NewError(sx.CodeUnavailable, "the local server at %s does not respond", in.Addr).
			WithHint("see its log, %s; to kill it: kill -9 %d", LogPath(dir), in.PID)
	default:
		return nil, nil
	}
}

// answerTimeout is how long a local server may take to say that it is alive.
const answerTimeout = 5 * time.Second

func newClient(server string) (*client.Client, error) {
	// No proxy: the server is on this machine.
	return client.New(server, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
}

// Forget removes what a server that is gone left behind.
func Forget(dir string) error {
	err := os.Remove(filepath.Join(dir, fileName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the instance file: %w", err)
	}
	return nil
}

// Dir is the data directory, as an absolute path: the one asked for, else the one
// used last, else the usual one. Both may be "".
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
