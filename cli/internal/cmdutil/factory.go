// Package cmdutil has what all commands share: the factory, usage errors, exit
// codes, and flags and arguments that several commands take.
package cmdutil

import (
	"net/http"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api/client"
)

// Factory has what commands need. Each value is created on first use, so that
// sx --help works with an invalid config file and without a server.
type Factory struct {
	IO *term.IOStreams
	// Config returns the merged configuration.
	Config func() (*config.Config, error)
	// Transport returns the transport to the configured server, without authentication.
	Transport func() (http.RoundTripper, error)
	// Client returns a client of the configured server that is signed in as the
	// stored account and renews its access token. Without an account its calls
	// fail with an *sx.Error of code unauthenticated.
	Client func() (*client.Client, error)
	// StartsServer says that the command offers to start the local server if none is set;
	// Client does so.
	StartsServer bool
	// Account returns the account for the configured server, to sign in and out.
	Account func() (*session.Account, error)
	// Flags returns the flags of this run that a suggested command repeats. It is nil
	// in tests that need none.
	Flags func() nextcmd.Flags
}

// Next returns the line of the sx command with the given arguments and the flags of
// this run that it repeats.
func (f *Factory) Next(args ...string) string { return f.Repeated().SX(args...) }

// Repeated returns the flags of this run that a suggested command repeats.
func (f *Factory) Repeated() nextcmd.Flags {
	if f.Flags == nil {
		return nil
	}
	return f.Flags()
}
