// Package values is the command sx values.
package values

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/values"
)

// Options are the flags, arguments and dependencies of sx values.
type Options struct {
	IO *term.IOStreams

	Cluster cluster.Flags
	All     bool // also the chart's defaults
	JSON    bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runValues
	}
	cmd := &cobra.Command{
		Use:   "values",
		Short: "Show an installation's values and where they come from",
		Long: `Show the values that are in force, and where each comes from: a preset, a file,
--set, or the chart (default), and the revision that set it. The next sx install
keeps them. Secret values are hidden.

After an uninstall that kept the data, the values are still shown: sx install
uses them again.`,
		Example: `  sx values
  sx values --all        # also those that nobody has set
  sx values --json`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cmd.Flags().BoolVar(&opts.All, "all", false, "also list the chart's defaults")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each value as a line of JSON")
	return cmd
}

func runValues(ctx context.Context, opts *Options) error {
	in, err := opts.Cluster.Installer(nil)
	if err != nil {
		return err
	}
	all, err := in.Values(ctx)
	if err != nil {
		return err
	}
	return opts.print(all)
}

func (opts *Options) print(all []installer.Value) error {
	columns := []term.Column{{Header: "NAME"}, {Header: "VALUE", Shrink: true}, {Header: "SOURCE"}}
	var rows [][]term.Cell
	for _, v := range all {
		if !opts.All && v.Source.From == installer.SourceDefault {
			continue
		}
		if opts.JSON {
			if err := opts.IO.WriteJSON(v); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []term.Cell{term.TextCell(v.Name), term.TextCell(values.Text(v.Value)), term.TextCell(source(v.Source))})
	}
	if opts.JSON {
		return nil
	}
	if len(rows) == 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "all values are the chart's defaults")
		return nil
	}
	return term.PrintTable(opts.IO, columns, rows)
}

// source describes where a value comes from.
func source(s values.Source) string {
	switch {
	case s.From == installer.SourceDefault:
		return s.From
	case s.From == "":
		return "Helm"
	case s.Revision == 0:
		return s.From + ", kept with the data"
	default:
		return fmt.Sprintf("%s, revision %d", s.From, s.Revision)
	}
}
