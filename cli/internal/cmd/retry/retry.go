// Package retry is the command sx retry.
package retry

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx retry.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)

	IDs  []string
	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client}
	if run == nil {
		run = runRetry
	}
	cmd := &cobra.Command{
		Use:               "retry JOB...",
		Short:             "Queue failed or cancelled jobs again",
		Long:              `Queue failed or cancelled jobs again. The video is not uploaded again.`,
		Example:           `  sx retry jq3m5v7kxw2c4t6b`,
		Args:              cmdutil.AtLeastOne("job"),
		ValidArgsFunction: cmdutil.CompleteJobs(f, sx.StateFailed, sx.StateCancelled),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.IDs = args
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each job as JSON")
	return cmd
}

func runRetry(ctx context.Context, opts *Options) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	return cmdutil.ChangeJobs(ctx, c, opts.IO, opts.IDs, opts.JSON, c.Retry)
}
