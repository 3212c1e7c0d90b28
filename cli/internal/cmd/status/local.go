package status

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// local shows the state of the local server.
func (opts *Options) local(ctx context.Context, cfg *config.Config) error {
	s, err := opts.localStatus(ctx, cfg.Data)
	if err != nil {
		return err
	}
	if opts.JSON {
		err = opts.IO.WriteJSON(s)
	} else {
		err = opts.printLocal(s)
	}
	switch {
	case err != nil:
		return err
	case s.Ready:
		opts.printUpgrade(ctx)
		return nil
	case s.PID == 0:
		return sx.NewError(sx.CodeUnavailable, "the local server is not running").
			WithHint("start it with: %s", nextcmd.Line("sx", "up", "-d", "--data", cfg.Data))
	}
	return sx.NewError(sx.CodeUnavailable, "the local server is not ready: %s", s.State).
		WithHint("see its log with: %s", nextcmd.Line("sx", "logs"))
}

// localStatus returns the status, with --wait once the server is ready.
func (opts *Options) localStatus(ctx context.Context, dir string) (localserver.Status, error) {
	s, err := localserver.ReadStatus(ctx, dir)
	if err != nil || !opts.Wait {
		return s, err
	}
	const interval = 500 * time.Millisecond
	wait, cancel := context.WithTimeout(ctx, opts.Timeout)
	defer cancel()
	for err == nil && !s.Ready && backoff.Sleep(wait, interval) == nil {
		s, err = localserver.ReadStatus(ctx, dir)
	}
	if err == nil {
		err = ctx.Err()
	}
	return s, err
}

func (opts *Options) printLocal(s localserver.Status) error {
	head := "The local server is not running"
	if s.PID > 0 {
		head = fmt.Sprintf("The local server is running at %s: version %s, process %d", s.URL, s.Version, s.PID)
	}
	if err := opts.IO.Printf("%s\n", head); err != nil {
		return err
	}
	columns := []term.Column{{Header: "PART"}, {Header: "STATE", Shrink: true}}
	var rows [][]term.Cell
	for _, p := range s.Parts {
		color := "31"
		if p.State == localserver.StateReady {
			color = "32"
		}
		rows = append(rows, []term.Cell{term.TextCell(p.Name), {Text: p.State, Color: color}})
	}
	if err := term.PrintTable(opts.IO, columns, rows); err != nil {
		return err
	}
	space := sx.FormatSize(s.Used) + " used"
	switch {
	case s.Storage != nil:
		space += ", " + s.Storage.Describe()
	case s.Free > 0:
		space += ", " + sx.FormatSize(s.Free) + " free"
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "data: %s (%s)\nlog: %s\n", s.Data, space, localserver.LogPath(s.Data))
	for _, name := range localserver.SettingNames() {
		if value := s.Settings[name]; value != "" {
			_, _ = fmt.Fprintf(opts.IO.ErrOut, "%s: %s\n", name, value)
		}
	}
	return nil
}

// elsewhere shows whether a server of which only the address is known is ready.
func (opts *Options) elsewhere(ctx context.Context, cfg *config.Config) error {
	transport, err := opts.Transport()
	if err != nil {
		return err
	}
	c, err := client.New(cfg.Server, &http.Client{Transport: transport})
	if err != nil {
		return err
	}
	if err := c.Check(ctx); err != nil {
		return err
	}
	version := ""
	if h, err := c.Health(ctx); err == nil { // a proxy may not forward it
		version = h.Version
	}
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			URL     string `json:"url"`
			Ready   bool   `json:"ready"`
			Version string `json:"version,omitempty"`
		}{cfg.Server, true, version})
	}
	text := cfg.Server + " answers"
	if version != "" {
		text += ": version " + version
	}
	if err := opts.IO.Printf("%s\n", text); err != nil {
		return err
	}
	opts.printUpgrade(ctx)
	return nil
}
