// Package factory hands the commands what they need, each thing made only when
// it is asked for: sx --help works with an unreadable config and no server.
package factory

import (
	"net/http"

	"github.com/soundextract/sx/cli/internal/account"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/server/api/client"
)

// Factory is given to every command's constructor.
type Factory struct {
	IO *iostreams.IOStreams
	// Config is the merged configuration of this run.
	Config func() (*config.Config, error)
	// Transport carries requests to the configured server, not signed in.
	Transport func() (http.RoundTripper, error)
	// Client calls the configured server, signed in as the stored account; its
	// access token is renewed as needed. Without an account its calls fail with
	// an sx.Error of code unauthenticated.
	Client func() (*client.Client, error)
	// Account is the account at the configured server, to sign in and out.
	Account func() (*account.Account, error)
}
