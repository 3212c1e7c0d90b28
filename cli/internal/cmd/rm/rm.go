// Package rm is the command sx rm.
package rm

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
)

// Options are the flags, arguments and dependencies of sx rm.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)

	IDs  []string
	Yes  bool
	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client}
	if run == nil {
		run = runRm
	}
	cmd := &cobra.Command{
		Use:   "rm ID...",
		Short: "Remove jobs, videos and MP3s",
		Long: `Remove jobs from the server with their videos and MP3s. Unfinished jobs are
cancelled first. Asks for confirmation at a terminal unless --yes is given.`,
		Example: `  sx rm jq3m5v7kxw2c4t6b
  sx rm --yes $(sx jobs --state failed | cut -f1)`,
		Args:              cmdutil.AtLeastOne("job ID"),
		ValidArgsFunction: cmdutil.CompleteJobs(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.IDs = args
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask for confirmation")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each removed ID as JSON")
	return cmd
}

func runRm(ctx context.Context, opts *Options) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	if opts.IO.InTTY && !opts.Yes {
		sure, err := term.Confirm(ctx, opts.IO, question(opts.IDs))
		if err != nil {
			return err
		}
		if !sure {
			_, _ = fmt.Fprintln(opts.IO.ErrOut, "nothing was removed")
			return nil
		}
	}
	return cmdutil.EachJob(ctx, c, opts.IDs, func(id string) error {
		if err := c.Remove(ctx, id); err != nil {
			return err
		}
		if opts.JSON {
			return opts.IO.WriteJSON(struct {
				ID      string `json:"id"`
				Removed bool   `json:"removed"`
			}{id, true})
		}
		return opts.IO.WriteFields(id, "removed")
	})
}

func question(ids []string) string {
	if len(ids) == 1 {
		return fmt.Sprintf("Remove job %s with its video and MP3?", ids[0])
	}
	return fmt.Sprintf("Remove %d jobs with their videos and MP3s?", len(ids))
}
