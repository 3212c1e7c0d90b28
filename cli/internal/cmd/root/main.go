package root

import (
	"context"
	"net/http"
	"sync"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Main runs sx with the arguments that follow its name and returns the exit
// code. When ctx ends, the command stops at a point from which it can be resumed.
func Main(ctx context.Context, args []string, streams *term.IOStreams) int {
	out := &output{Writer: streams.Out}
	streams.Out = out
	f, bind := newFactory(ctx, streams)
	cmd := New(f, bind) //nolint:contextcheck // commands receive ctx from ExecuteContextC
	cmd.SetArgs(args)
	ran, err := cmd.ExecuteContextC(ctx)
	switch {
	case ctx.Err() != nil && err != nil:
		err = interruption{meaning: ran.Annotations[onInterrupt]}
	case out.err != nil: // the cause of other errors, or one that the command ignored
		err = out.err
	case err == nil:
		return sx.ExitOK
	case cmdutil.ErrorCode(err) == sx.CodeUsage:
		err = usageError(ran, args, err)
	}
	return report(streams, ran, f.Repeated(), err, wantsJSON(ran, args))
}

// newFactory returns the factory. bind must be called with the flags of the command
// before the configuration is read.
func newFactory(ctx context.Context, streams *term.IOStreams) (f *cmdutil.Factory, bind func(*pflag.FlagSet)) {
	var flags *pflag.FlagSet
	f = &cmdutil.Factory{IO: streams}
	f.Flags = func() nextcmd.Flags { return repeated(flags) }
	f.Config = sync.OnceValues(func() (*config.Config, error) { return config.Load(flags) })
	f.Transport = sync.OnceValues(func() (http.RoundTripper, error) {
		c, err := f.Config()
		if err != nil {
			return nil, err
		}
		return newTransport(c)
	})
	f.Account = sync.OnceValues(func() (*session.Account, error) {
		c, err := f.Config()
		if err != nil {
			return nil, err
		}
		if c.Server == "" {
			return nil, noServer()
		}
		base, err := f.Transport()
		if err != nil {
			return nil, err
		}
		a, err := session.NewAccount(c.Account, c.Server, session.StoreFor(c), base)
		if err != nil {
			return nil, err
		}
		a.UseToken(c.Token)
		if c.Kubernetes != (config.Kubernetes{}) {
			a.UseTunnel()
		}
		if c.Data != "" && isLoopback(c.Server) {
			a.UseOwner(func() string { return localserver.OwnerToken(c.Data) })
		}
		return a, nil
	})
	f.Client = sync.OnceValues(func() (*client.Client, error) {
		if err := needServer(ctx, f, flags); err != nil {
			return nil, err
		}
		a, err := f.Account()
		if err != nil {
			return nil, err
		}
		return a.Client()
	})
	return f, func(fs *pflag.FlagSet) { flags = fs }
}

// repeated returns the flags that a suggested command repeats.
func repeated(fs *pflag.FlagSet) (flags nextcmd.Flags) {
	if server := fs.Lookup("server"); server != nil && server.Changed {
		flags = flags.Keep("--server", server.Value.String(), "")
	}
	return flags
}
