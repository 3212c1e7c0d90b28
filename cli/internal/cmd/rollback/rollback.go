// Package rollback is the command sx rollback.
package rollback

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
)

// Options are the flags, arguments and dependencies of sx rollback.
type Options struct {
	IO *term.IOStreams

	Cluster  cluster.Flags
	Revision int // 0 is the one before
	Wait     bool
	Timeout  time.Duration
	JSON     bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runRollback
	}
	cmd := &cobra.Command{
		Use:   "rollback [REVISION]",
		Short: "Roll back an installation",
		Long: `Roll back to REVISION (default: the previous one). Data and secrets are not
changed. sx history lists the revisions.`,
		Example: `  sx rollback
  sx rollback 3`,
		Args:              cmdutil.UsageArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				var err error
				if opts.Revision, err = strconv.Atoi(args[0]); err != nil || opts.Revision < 1 {
					return cmdutil.UsageErrorf("invalid revision %q: it must be a positive number", args[0])
				}
			}
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cmd.Flags().BoolVar(&opts.Wait, "wait", true, "wait until everything is ready")
	cmd.Flags().DurationVar(&opts.Timeout, "timeout", cluster.DefaultTimeout, "wait at most `TIME`, such as 90s or 15m")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each event as a line of JSON")
	return cmd
}

func runRollback(ctx context.Context, opts *Options) error {
	display := cluster.NewRolloutDisplay(opts.IO, opts.JSON)
	defer display.Close()
	in, err := opts.Cluster.Installer(display.Show)
	if err != nil {
		return err
	}
	info, err := in.Rollback(ctx, opts.Revision, opts.Wait, opts.Timeout)
	if err != nil || opts.JSON {
		return err
	}
	return opts.IO.Printf("Rolled back to SoundExtract %s (revision %d)\n", info.Version, info.Revision)
}
