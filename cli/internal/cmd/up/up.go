// Package up is the command sx up.
package up

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx up.
type Options struct {
	IO *term.IOStreams

	Addr   string // "" is the address of the last start
	Data   string // "" is the directory of the last start
	Detach bool
	JSON   bool
}

const defaultAddr = "127.0.0.1:8740"

// contextName is the context that always means the local server.
const contextName = "local"

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runUp
	}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the local server and use it",
		Long: `Start the local server, sxd, and switch to its context, local. It runs until
Ctrl-C or, with --detach, until: sx down

It resumes unfinished work in its data directory, even after a crash, and logs
to sxd.log there. It requires ffmpeg.`,
		Example: `  sx up
  sx up --detach
  sx up --addr 127.0.0.1:0 --data ~/sx-data    # a free port, another directory`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.Addr != "" {
				if _, _, err := net.SplitHostPort(opts.Addr); err != nil {
					return cmdutil.UsageErrorf("invalid --addr %[2]q: it must be HOST:PORT, such as %[1]s", defaultAddr, opts.Addr)
				}
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Addr, "addr", "",
		"listen on `HOST:PORT`; port 0 picks a free one (default: the last one used, initially "+defaultAddr+")")
	cmd.Flags().StringVar(&opts.Data, "data", "", "keep data in `DIR` (default: the last one used, initially in your home directory)")
	cmd.Flags().BoolVarP(&opts.Detach, "detach", "d", false, "run in the background")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the server's address as JSON")
	return cmd
}

func runUp(ctx context.Context, opts *Options) error {
	file, err := config.ReadUserFile()
	if err != nil {
		return err
	}
	dir, err := localserver.Dir(opts.Data, file.Contexts[contextName].Data)
	if err != nil {
		return err
	}
	former := file.Contexts[contextName]
	running, err := localserver.Running(ctx, dir)
	if err != nil {
		return err
	}
	if running != nil {
		return opts.useRunning(file, running, dir)
	}
	program, err := localserver.Find()
	if err != nil {
		return err
	}
	addr := address(opts.Addr, localserver.Recorded(dir), former, dir)
	opts.warnIfOpen(addr)
	server, err := localserver.Start(ctx, localserver.Options{Program: program, Addr: addr, Dir: dir, Detached: opts.Detach})
	if err != nil {
		// Another sx up may have started it first.
		if running, _ := localserver.Running(ctx, dir); running != nil {
			return opts.useRunning(file, running, dir)
		}
		return err
	}
	if err := opts.use(file, server, former, dir); err != nil {
		return server.Stop(ctx, err)
	}
	if opts.Detach {
		return nil
	}
	return server.Wait(ctx)
}

// useRunning switches to the server that is already running.
func (opts *Options) useRunning(file *config.File, running *localserver.Instance, dir string) error {
	if opts.Addr != "" && opts.Addr != running.Addr {
		return sx.NewError(sx.CodeConflict, "the local server is already running at %s", running.Addr).
			WithHint("stop it first, with: sx down")
	}
	if err := useContext(file, running.URL, dir); err != nil {
		return err
	}
	return opts.print(running, dir, "is already running", "")
}

// use switches to the server that was started and prints its address.
func (opts *Options) use(file *config.File, server *localserver.Server, former config.Context, dir string) error {
	if err := useContext(file, server.URL, dir); err != nil {
		return err
	}
	convert := nextcmd.Line("sx", "convert", "VIDEO")
	next := "create an account: " + nextcmd.Line("sx", "register", "NAME") + "\n      then: " + convert
	if former.Data == dir {
		next = convert
	}
	if opts.Detach {
		next += "\n      stop the server: sx down"
	} else {
		next = "in another terminal, " + next + "\n      stop the server: Ctrl-C"
	}
	return opts.print(&server.Instance, dir, "is running", next)
}

func (opts *Options) print(in *localserver.Instance, dir, how, next string) error {
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			URL  string `json:"url"`
			Data string `json:"data"`
			PID  int    `json:"pid"`
		}{in.URL, dir, in.PID})
	}
	if _, err := fmt.Fprintf(opts.IO.Out, "The local server %s at %s\n", how, in.URL); err != nil {
		return fmt.Errorf("print the address: %w", err)
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "data: %s\n", dir)
	if next != "" {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "next: %s\n", next)
	}
	// An environment variable may still select another server.
	if c, err := config.Load(nil); err == nil && c.Server != in.URL {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "warning: commands still use %s (%s)\n", c.Server, c.Values[0].Source)
	}
	return nil
}

func (opts *Options) warnIfOpen(addr string) {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || host == "localhost" || ip != nil && ip.IsLoopback() {
		return
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut,
		"warning: %s is reachable from other machines over unencrypted HTTP:\n"+
			"passwords and videos can be intercepted\n", addr)
}

// address returns the address to listen on: the requested one, or else that of the
// directory's last server, because unfinished uploads continue there. An address that
// other machines can reach must be requested each time.
func address(requested string, crashed *localserver.Instance, former config.Context, dir string) string {
	before := ""
	switch {
	case requested != "":
		return requested
	case crashed != nil:
		before = crashed.URL
	case former.Data == dir:
		before = former.Server
	}
	if u, err := url.Parse(before); err == nil && u.Port() != "" {
		return u.Host
	}
	return defaultAddr
}

func useContext(file *config.File, server, dir string) error {
	if err := file.Put(contextName, config.Context{Server: server, Data: filepath.Clean(dir)}); err != nil {
		return err
	}
	return file.Save()
}
