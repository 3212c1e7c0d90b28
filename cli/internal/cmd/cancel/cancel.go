// Package cancel is the command sx cancel.
package cancel

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx cancel.
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
		run = runCancel
	}
	cmd := &cobra.Command{
		Use:   "cancel JOB...",
		Short: "Cancel jobs",
		Long: `Cancel jobs that are uploading, queued or running. Uploaded videos are kept:
sx retry queues a job again, sx rm removes it.`,
		Example:           `  sx cancel jq3m5v7kxw2c4t6b`,
		Args:              cmdutil.AtLeastOne("job"),
		ValidArgsFunction: cmdutil.CompleteJobs(f, sx.StateUploading, sx.StateQueued, sx.StateRunning),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.IDs = args
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each job as JSON")
	return cmd
}

func runCancel(ctx context.Context, opts *Options) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	return cmdutil.ChangeJobs(ctx, c, opts.IO, opts.IDs, opts.JSON, c.Cancel)
}
