// Package version is the command sx version.
package version

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/factory"
	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/cli/internal/usage"
	"github.com/soundextract/sx/server/sx"
)

// Options are what sx version works with.
type Options struct {
	IO *iostreams.IOStreams

	JSON bool
}

// NewCmd makes the command; run is nil but in tests.
func NewCmd(f *factory.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show sx's version",
		Example: `  sx version --json`,
		Args:    usage.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if run != nil {
				return run(cmd.Context(), opts)
			}
			return versionRun(opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the version as JSON")
	return cmd
}

func versionRun(opts *Options) error {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if opts.JSON {
		return opts.IO.WriteJSON(struct {
			Version  string `json:"version"`
			Go       string `json:"go"`
			Platform string `json:"platform"`
		}{sx.Version, runtime.Version(), platform})
	}
	if _, err := fmt.Fprintf(opts.IO.Out, "sx %s (%s, %s)\n", sx.Version, runtime.Version(), platform); err != nil {
		return fmt.Errorf("print the version: %w", err)
	}
	return nil
}
