// Package cmdutil has what all commands share: the factory, usage errors, exit
// codes, and flags and arguments that several commands take.
package cmdutil

import (
	"net/http"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
)

// Factory gives the commands what they need. Each value is made on first use:
// sx --help works with an unreadable config and without a server.
type Factory struct {
	IO *term.IOStreams
	// Config is the merged configuration of this run.
	Config func() (*config.Config, error)
	// Transport carries requests to the configured server, not signed in.
	Transport func() (http.RoundTripper, error)
	// Client calls the configured server, signed in as the stored account; its
	// access token is renewed as needed. Without an account its calls fail with
	// an sx.Error of code unauthenticated.
	Client func() (*client.Client, error)
	// Account is the account at the configured server, to sign in and out.
	Account func() (*session.Account, error)
}
