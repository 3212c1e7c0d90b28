package localserver

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// StateReady is the state of a part that works.
const StateReady = "ready"

// Status is the state of the local server of a data directory.
type Status struct {
	Ready    bool              `json:"ready"`
	State    string            `json:"state"` // StateReady, "not running", or why it is not ready
	URL      string            `json:"url,omitempty"`
	Version  string            `json:"version,omitempty"`
	PID      int               `json:"pid,omitempty"` // 0 if it does not run
	Parts    []Part            `json:"parts"`
	Data     string            `json:"data"`
	Used     int64             `json:"used_bytes"`           // by the data directory
	Free     int64             `json:"free_bytes,omitempty"` // on its file system; 0 if unknown
	Storage  *client.Storage   `json:"storage,omitempty"`    // as the running server sees it
	Settings map[string]string `json:"settings,omitempty"`   // those that the directory remembers
	Sandbox  Sandbox           `json:"sandbox"`              // of the running server
}

// Part is one of the services in the server's process.
type Part struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

// ReadStatus returns the status of the directory's server.
func ReadStatus(ctx context.Context, dir string) (Status, error) {
	s := Status{Data: dir, State: "not running", Free: free(dir)}
	in, err := Running(ctx, dir)
	switch {
	case err != nil && sx.CodeOf(err) != sx.CodeUnavailable:
		return s, err
	case err != nil:
		s.State, in = err.Error(), Recorded(dir)
	case in != nil:
		s.State = readiness(ctx, in)
	}
	s.Ready = s.State == StateReady
	if in != nil {
		s.URL, s.Version, s.PID, s.Sandbox = in.URL, in.Version, in.PID, in.Sandbox
		s.Storage = storage(ctx, in)
	}
	for _, name := range []string{"gateway", "auth", "converter", "notifier"} {
		s.Parts = append(s.Parts, Part{name, s.State})
	}
	if s.Settings, err = Settings(dir); err != nil {
		return s, err
	}
	s.Used, err = used(dir)
	return s, err
}

// readiness asks the server whether it is ready. The parts share the checks, because
// they share the process, the store and the bus.
func readiness(ctx context.Context, in *Instance) string {
	c, err := newClient(in.URL)
	if err != nil {
		return err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	h, err := c.Ready(ctx)
	var unreachable *client.Unreachable
	switch {
	case err == nil && h.Degraded != "":
		return "not working: " + h.Degraded
	case err == nil && h.Status == "ok":
		return StateReady
	case errors.As(err, &unreachable):
		return "no response"
	case err != nil:
		return "not ready: " + err.Error()
	}
	return "not ready: " + h.Status
}

// storage reads the server's metrics. It returns nil if they cannot be read.
func storage(ctx context.Context, in *Instance) *client.Storage {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.URL+api.PathMetrics, http.NoBody)
	if err != nil {
		return nil
	}
	res, err := directly.RoundTrip(req)
	if err != nil {
		return nil
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil
	}
	found, err := client.ReadStorage(res.Body)
	if err != nil {
		return nil
	}
	return found
}

// used returns the number of bytes in the files of a directory.
func used(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total, err
}
