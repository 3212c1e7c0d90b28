// Package up is the command sx up.
package up

import (
	"context"
	"fmt"
	"net"

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

	Settings map[string]string // those given by flags; see localserver.Request
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runUp
	}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the local server and use it",
		Long: `Start the local server, sxd, and switch to its context. It runs until Ctrl-C or,
with --detach, until: sx down. It requires ffmpeg.

Only this machine can reach it unless --addr says otherwise, and no account is
needed: sx signs you in as its owner with a token in the data directory that
only you can read. Other accounts need an invitation (sx admin invite) or
--registration open.

A server that other machines can reach requires passwords. Set the owner's with
sx passwd, or when this command asks for it.

The server resumes unfinished work in its data directory, even after a crash,
and logs to sxd.log there (sx logs). The quota, the retention, the registration
and the mail server are remembered there too. Each directory belongs to a server
of its own.`,
		Example: `  sx up
  sx up --detach
  sx up --addr 127.0.0.1:0 --data ~/sx-data    # a free port, another directory
  sx up -d --quota 50GiB --registration open
  sx up -d --smtp-addr mail.example.org:587 --smtp-user anna \
      --smtp-from anna@example.org             # asks for the password`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Addr, "addr", "",
		"listen on `HOST:PORT`; port 0 picks a free one (default: the last one used, initially "+localserver.DefaultAddr+" if that is free)")
	flags.StringVar(&opts.Data, "data", "", "keep data in `DIR` (default: the last one used, initially in your home directory)")
	flags.BoolVarP(&opts.Detach, "detach", "d", false, "run in the background")
	flags.BoolVar(&opts.JSON, "json", false, "print the server's address as JSON")
	settings := addSettings(cmd)
	_ = cmd.MarkFlagDirname("data") // fails only for a flag that does not exist
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if opts.Addr != "" {
			if _, _, err := net.SplitHostPort(opts.Addr); err != nil {
				return cmdutil.UsageErrorf("invalid --addr %[2]q: it must be HOST:PORT, such as %[1]s", localserver.DefaultAddr, opts.Addr)
			}
		}
		if opts.Settings, err = settings(); err != nil {
			return err
		}
		return run(cmd.Context(), opts)
	}
	return cmd
}

func runUp(ctx context.Context, opts *Options) error {
	if err := opts.askSMTPPassword(ctx); err != nil {
		return err
	}
	if opts.Addr != "" && !localserver.IsLoopback(opts.Addr) {
		_, _ = fmt.Fprintf(opts.IO.ErrOut,
			"warning: %s is reachable from other machines over unencrypted HTTP:\n"+
				"passwords and videos can be intercepted\n", opts.Addr)
	}
	up, err := opts.start(ctx)
	if err != nil {
		return err
	}
	if err := opts.print(up); err != nil {
		if up.Server == nil {
			return err
		}
		return up.Server.Stop(ctx, err)
	}
	if up.Server == nil || opts.Detach {
		return nil
	}
	return up.Server.Wait(ctx)
}

// start starts the server. If it needs the owner's password, start asks for one.
func (opts *Options) start(ctx context.Context) (*localserver.Up, error) {
	request := localserver.Request{Addr: opts.Addr, Data: opts.Data, Detached: opts.Detach, Settings: opts.Settings}
	up, err := localserver.Ensure(ctx, request)
	if !localserver.PasswordRequired(err) {
		return up, err
	}
	if !opts.IO.InTTY {
		known := sx.AsError(err)
		return nil, nextcmd.WithHint(sx.NewError(known.Code, "%s", known.Message), "set a password first: start the server without --addr, then: %s", nextcmd.Command{"passwd"})
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "Other machines can reach the server at %s, so the owner's account needs a password.\n", opts.Addr)
	if request.Password, err = term.PromptFirstPassword(ctx, opts.IO, false); err != nil {
		return nil, err
	}
	return localserver.Ensure(ctx, request)
}

func (opts *Options) print(up *localserver.Up) error {
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			URL  string `json:"url"`
			Data string `json:"data"`
			PID  int    `json:"pid"`
		}{up.URL, up.Dir, up.PID})
	}
	how := "is running"
	if up.Server == nil {
		how = "is already running"
	}
	if err := opts.IO.Printf("The local server %s at %s\n", how, up.URL); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "data: %s\n", up.Dir)
	if up.Server != nil {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "next: %s\n", opts.next(up))
	}
	// An environment variable may still select another server.
	if c, err := config.Load(nil); err == nil && c.Server != up.URL {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "warning: commands still use %s (%s)\n", c.Server, c.Values[0].Source)
	}
	return nil
}

// next returns what to do next.
func (opts *Options) next(up *localserver.Up) string {
	next := nextcmd.Line("sx", "convert", "VIDEO")
	if localserver.OwnerToken(up.Dir) == "" { // other machines can reach the server
		next = "sign in: " + nextcmd.Line("sx", "login", up.Owner) + "\n      then: " + next
	}
	if opts.Detach {
		return next + "\n      stop the server: sx down"
	}
	return "in another terminal, " + next + "\n      stop the server: Ctrl-C"
}
