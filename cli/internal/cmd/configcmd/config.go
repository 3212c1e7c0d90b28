// Package configcmd is the command sx config.
package configcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
)

// Options are the flags, arguments and dependencies of sx config.
type Options struct {
	IO     *term.IOStreams
	Config func() (*config.Config, error)

	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config}
	if run == nil {
		run = runConfig
	}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the settings and where each comes from",
		Long: `Show the settings and where each comes from. A flag takes precedence over an
environment variable, a variable over the config file, and the file over the
default.`,
		Example: `  sx config
  sx config --json
  sx config use local
  sx config set preset speech`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the settings as JSON")
	cmd.AddCommand(newCmdUse(f, nil), newCmdSet(f, nil), newCmdUnset(f, nil))
	return cmd
}

func runConfig(_ context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(cfg.Values)
	}
	columns := []term.Column{{Header: "KEY"}, {Header: "VALUE"}, {Header: "SOURCE", Shrink: true}}
	var rows [][]term.Cell
	for _, v := range cfg.Values {
		rows = append(rows, []term.Cell{term.TextCell(v.Key), term.TextCell(v.Value), term.TextCell(v.Source)})
	}
	if err := term.PrintTable(opts.IO, columns, rows); err != nil {
		return err
	}
	if path, err := config.Path(); err == nil && opts.IO.OutTTY {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "\nconfig file: %s\n", path)
	}
	return nil
}
