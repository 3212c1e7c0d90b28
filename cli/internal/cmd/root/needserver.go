package root

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// needServer makes sure that a server is set and, if it is a local one, that it runs. A
// command that can start with an empty server (Factory.StartsServer) offers to start it
// at a terminal; it then updates the configuration.
func needServer(ctx context.Context, f *cmdutil.Factory, flags *pflag.FlagSet) error {
	cfg, err := f.Config()
	if err != nil {
		return err
	}
	var question string
	missing := noServer()
	switch {
	case cfg.Server == "" && cfg.Token == "":
		question = "No server set. Convert on this machine?"
	case cfg.Server == "":
		return missing
	case cfg.Data == "":
		return nil
	default:
		running, err := localserver.Running(ctx, cfg.Data)
		if err != nil || running != nil {
			return err
		}
		question = "The local server is not running. Start it?"
		missing = notRunning(cfg)
	}
	if !f.StartsServer || !f.IO.InTTY || !f.IO.ErrTTY {
		return missing
	}
	if _, err := localserver.Find(); err != nil {
		return err
	}
	yes, err := term.ConfirmYes(ctx, f.IO, question)
	if err != nil {
		return err
	}
	if !yes {
		return missing
	}
	up, err := localserver.Ensure(ctx, localserver.Request{Data: cfg.Data, Detached: true})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(f.IO.ErrOut, "The local server is running at %s; stop it with: sx down\n", up.URL)
	fresh, err := config.Load(flags)
	if err != nil {
		return err
	}
	*cfg = *fresh // everything that has the configuration has this pointer
	return nil
}

// noServer is the error of a command that needs a server when none is set.
func noServer() error {
	return sx.NewError(sx.CodeUnreachable, "no server set").
		WithHint("start one on this machine with: %s; or name one with --server URL", nextcmd.Line("sx", "up", "-d"))
}

// notRunning is the error for a local server that does not run.
func notRunning(cfg *config.Config) error {
	return sx.NewError(sx.CodeUnreachable, "the local server at %s is not running", hostOf(cfg.Server)).
		WithHint("start it with: %s", nextcmd.Line("sx", "up", "-d"))
}

func hostOf(server string) string {
	if u, err := url.Parse(server); err == nil {
		return u.Host
	}
	return server
}

func isLoopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
