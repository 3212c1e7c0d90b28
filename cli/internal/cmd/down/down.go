// Package down is the command sx down.
package down

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx down.
type Options struct {
	IO *term.IOStreams

	Data string // "" is the directory of the server in use, else of the only one that runs
	All  bool
	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runDown
	}
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the local server",
		Long: `Stop the local server. Unfinished conversions start again after the next sx up;
uploads continue where they stopped.

If several local servers run, the one in use is stopped; if none of them is in
use, name its data directory.`,
		Example: `  sx down
  sx down --data ~/sx-data
  sx down --all`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.All && opts.Data != "" {
				return cmdutil.UsageErrorf("--all and --data are mutually exclusive")
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Data, "data", "", "stop the server with data directory `DIR` (default: the one in use)")
	cmd.Flags().BoolVar(&opts.All, "all", false, "stop all local servers")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each result as JSON")
	_ = cmd.MarkFlagDirname("data") // fails only for a flag that does not exist
	return cmd
}

func runDown(ctx context.Context, opts *Options) error {
	file, err := config.ReadUserFile()
	if err != nil {
		return err
	}
	if opts.All {
		var errs []error
		for _, dir := range file.DataDirs() {
			errs = append(errs, opts.stop(ctx, dir))
		}
		if len(errs) == 0 {
			return opts.print("", false, "No local server is known")
		}
		return errors.Join(errs...)
	}
	dir, err := opts.dir(ctx, file)
	if err != nil {
		return err
	}
	return opts.stop(ctx, dir)
}

// dir returns the data directory of the server to stop.
func (opts *Options) dir(ctx context.Context, file *config.File) (string, error) {
	if opts.Data != "" {
		return localserver.Dir(opts.Data, "")
	}
	last, err := localserver.Dir("", file.LastData())
	if err != nil {
		return "", err
	}
	var running []string
	for _, dir := range file.DataDirs() {
		// One that hangs counts as well: stopping it reports that.
		if in, err := localserver.Running(ctx, dir); err != nil || in != nil {
			if dir == last {
				return last, nil
			}
			running = append(running, dir)
		}
	}
	switch len(running) {
	case 0:
		return last, nil
	case 1:
		return running[0], nil
	}
	return "", sx.NewError(sx.CodeUsage, "%d local servers are running, with the data in %s", len(running), strings.Join(running, ", ")).
		WithHint("choose one with: %s; or stop all with: sx down --all", nextcmd.Line("sx", "down", "--data", running[0]))
}

func (opts *Options) stop(ctx context.Context, dir string) error {
	running, err := localserver.Running(ctx, dir)
	if err != nil {
		return err
	}
	if running == nil {
		if err := localserver.Forget(dir); err != nil {
			return err
		}
		return opts.print(dir, false, "The local server is not running")
	}
	if err := localserver.Stop(ctx, dir, running); err != nil {
		return err
	}
	return opts.print(dir, true, "Stopped the local server")
}

func (opts *Options) print(dir string, stopped bool, text string) error {
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			Data    string `json:"data"`
			Stopped bool   `json:"stopped"` // false when it did not run
		}{dir, stopped})
	}
	if dir != "" {
		text += " (data: " + dir + ")"
	}
	return opts.IO.Printf("%s\n", text)
}
