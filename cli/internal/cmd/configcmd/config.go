// Package configcmd is the command sx config.
package configcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/factory"
	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/cli/internal/table"
	"github.com/soundextract/sx/cli/internal/usage"
)

// Options are what sx config works with.
type Options struct {
	IO     *iostreams.IOStreams
	Config func() (*config.Config, error)

	JSON bool
}

// NewCmd makes the command; run is nil but in tests.
func NewCmd(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Config: f.Config}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the settings and where each came from",
		Long: `Show the settings and where each came from. A flag wins over a variable, a
variable over the config file, the file over the default.`,
		Example: `  sx config
  sx config --json
  sx config use local`,
		Args: usage.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if run != nil {
				return run(cmd.Context(), opts)
			}
			return configRun(opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the settings as JSON")
	cmd.AddCommand(newCmdUse(f, nil))
	return cmd
}

func configRun(opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(cfg.Values)
	}
	columns := []table.Column{{Header: "KEY"}, {Header: "VALUE"}, {Header: "SOURCE", Shrink: true}}
	var rows [][]table.Cell
	for _, v := range cfg.Values {
		rows = append(rows, []table.Cell{table.Text(v.Key), table.Text(v.Value), table.Text(v.Source)})
	}
	if err := table.Print(opts.IO, columns, rows); err != nil {
		return err
	}
	if path, err := config.Path(); err == nil && opts.IO.OutTTY {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "\nconfig file: %s\n", path)
	}
	return nil
}
