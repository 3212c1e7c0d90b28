// Package service is the command sx service.
package service

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags and dependencies of sx service's subcommands.
type Options struct {
	IO *term.IOStreams

	Data string // "" is the directory of the last start
	Addr string // only of run
	JSON bool
}

// NewCmd returns the command.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Start the local server when you sign in to this machine",
		Long: `Start the local server when you sign in to this machine: as a systemd user unit
on Linux, as a launchd agent on macOS. sx down stops it until the next sign-in.

On Linux the server ends when you sign out, unless an administrator allows it to
stay: loginctl enable-linger`,
		Example: `  sx service install
  sx service status`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCmdInstall(f, nil), newCmdUninstall(f, nil), newCmdStatus(f, nil), newCmdRun(f, nil))
	return cmd
}

func newCmdInstall(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runInstall
	}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Start the local server now and at each sign-in",
		Long: `Start the local server now and at each sign-in. It uses the data directory and
the settings of sx up. If it is already running, it is started again.`,
		Example: `  sx service install
  sx service install --data ~/sx-data`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), opts) },
	}
	cmd.Flags().StringVar(&opts.Data, "data", "", "keep data in `DIR` (default: that of sx up)")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the result as JSON")
	_ = cmd.MarkFlagDirname("data") // fails only for a flag that does not exist
	return cmd
}

func newCmdUninstall(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runUninstall
	}
	cmd := &cobra.Command{
		Use:     "uninstall",
		Short:   "Stop starting the local server at sign-in",
		Long:    `Stop the local server that runs as a service, and no longer start it at sign-in.`,
		Example: `  sx service uninstall`,
		Args:    cmdutil.UsageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), opts) },
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the result as JSON")
	return cmd
}

func newCmdStatus(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runStatus
	}
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show whether the local server starts at sign-in",
		Example: `  sx service status`,
		Args:    cmdutil.UsageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), opts) },
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the result as JSON")
	return cmd
}

// newCmdRun returns the command that the service manager runs.
func newCmdRun(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = func(_ context.Context, opts *Options) error { return localserver.Exec(opts.Data, opts.Addr) }
	}
	cmd := &cobra.Command{
		Use:     "run",
		Short:   "Run the local server; used by the service manager",
		Hidden:  true,
		Example: `  sx service run --data /home/anna/sx-data --addr 127.0.0.1:8740`,
		Args:    cmdutil.UsageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), opts) },
	}
	cmd.Flags().StringVar(&opts.Data, "data", "", "data `DIR`")
	cmd.Flags().StringVar(&opts.Addr, "addr", "", "`HOST:PORT`")
	return cmd
}

func runInstall(ctx context.Context, opts *Options) error {
	m, err := newManager()
	if err != nil {
		return err
	}
	at, err := localserver.Locate(ctx, opts.Data)
	if err != nil {
		return err
	}
	if _, err := localserver.Find(); err != nil {
		return err
	}
	u, err := newUnit(at.Dir, at.Addr)
	if err != nil {
		return err
	}
	if err := m.prepare(ctx, u); err != nil {
		return err // a running server keeps running
	}
	if err := at.Stop(ctx); err != nil {
		return err
	}
	if err := m.launch(ctx); err != nil {
		return sx.AsError(err).WithHint("no server runs now; start one without the service with: %s", nextcmd.Line("sx", "up", "-d"))
	}
	in, err := at.Await(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			File string `json:"file"`
			URL  string `json:"url"`
			Data string `json:"data"`
		}{m.path(), in.URL, at.Dir})
	}
	if err := opts.IO.Printf("The local server runs at %s, now and after each sign-in\n", in.URL); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "data: %s\nservice: %s\nnext: %s\n", at.Dir, m.path(), nextcmd.Line("sx", "convert", "VIDEO"))
	return nil
}

func runUninstall(ctx context.Context, opts *Options) error {
	m, err := newManager()
	if err != nil {
		return err
	}
	was, err := m.uninstall(ctx)
	if err != nil {
		return err
	}
	text := "The local server no longer starts at sign-in"
	if !was {
		text = "The local server is not installed as a service"
	}
	return opts.print(text, struct {
		File        string `json:"file"`
		Uninstalled bool   `json:"uninstalled"` // false if it was not installed
	}{m.path(), was})
}

func runStatus(ctx context.Context, opts *Options) error {
	m, err := newManager()
	if err != nil {
		return err
	}
	state := m.state(ctx)
	text := map[condition]string{
		absent:  "The local server is not installed as a service",
		stopped: "The local server starts at sign-in, but is not running as a service now",
		active:  "The local server starts at sign-in; it is running",
	}[state]
	return opts.print(text, struct {
		File      string `json:"file"`
		Installed bool   `json:"installed"`
		Running   bool   `json:"running"`
	}{m.path(), state != absent, state == active})
}

func (opts *Options) print(text string, result any) error {
	if opts.JSON {
		return opts.IO.WriteJSON(result)
	}
	return opts.IO.Printf("%s\n", text)
}
