// Package sxcmd is the program sx but for the process around it: it runs a
// command and turns an error into a message, a hint and an exit code.
package sxcmd

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/account"
	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/credentials"
	"github.com/soundextract/sx/cli/internal/exitcode"
	"github.com/soundextract/sx/cli/internal/factory"
	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Main runs sx with the arguments that follow its name and returns the exit
// code. When ctx ends, the command stops where it can go on later.
func Main(ctx context.Context, args []string, streams *iostreams.IOStreams) int {
	f, bind := newFactory(streams)
	cmd := root.New(f, bind)
	cmd.SetArgs(args)
	ran, err := cmd.ExecuteContextC(ctx)
	if err == nil {
		return exitcode.OK
	}
	if ctx.Err() != nil {
		err = interruption{resumable: ran.Annotations[root.Resumable] != ""}
	}
	return report(streams, ran, err, wantsJSON(ran, args))
}

// newFactory makes what the commands need, in the order of who needs whom. bind
// must be given the flags of the command before the configuration is asked for.
func newFactory(streams *iostreams.IOStreams) (f *factory.Factory, bind func(*pflag.FlagSet)) {
	var flags *pflag.FlagSet
	f = &factory.Factory{IO: streams}
	f.Config = sync.OnceValues(func() (*config.Config, error) { return config.Load(flags) })
	f.Account = sync.OnceValues(func() (*account.Account, error) {
		c, err := f.Config()
		if err != nil {
			return nil, err
		}
		a, err := account.New(c.Account, c.Server, credentials.ForSettings(c), newTransport())
		if err == nil {
			a.UseToken(c.Token)
		}
		return a, err
	})
	f.Client = sync.OnceValues(func() (*client.Client, error) {
		a, err := f.Account()
		if err != nil {
			return nil, err
		}
		return a.Client()
	})
	return f, func(fs *pflag.FlagSet) { flags = fs }
}

// newTransport suits long transfers: no limit on the whole, but on connecting.
func newTransport() http.RoundTripper {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return named{&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}}
}

// named says in each request which program sends it.
type named struct{ base http.RoundTripper }

func (n named) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	out.Header.Set("User-Agent", "sx/"+sx.Version)
	return n.base.RoundTrip(out)
}
