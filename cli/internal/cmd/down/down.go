// Package down is the command sx down.
package down

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
)

// Options are the flags, arguments and dependencies of sx down.
type Options struct {
	IO *term.IOStreams

	Data string // "" is the directory of the last start
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
		Long: `Stop the local server that sx up started. Unfinished conversions start again
after the next sx up; uploads continue where they stopped.`,
		Example: `  sx down
  sx down --data ~/sx-data`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Data, "data", "", "stop the server with data directory `DIR` (default: the last one used)")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the result as JSON")
	return cmd
}

func runDown(ctx context.Context, opts *Options) error {
	file, err := config.ReadUserFile()
	if err != nil {
		return err
	}
	dir, err := localserver.Dir(opts.Data, file.Contexts["local"].Data)
	if err != nil {
		return err
	}
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
	if _, err := fmt.Fprintf(opts.IO.Out, "%s (data: %s)\n", text, dir); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}
