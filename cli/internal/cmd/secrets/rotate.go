package secrets

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
)

// RotateOptions are the flags, arguments and dependencies of sx secrets rotate.
type RotateOptions struct {
	IO *term.IOStreams

	Cluster cluster.Flags
	Parts   []string
	Yes     bool
	Timeout time.Duration
	JSON    bool
}

// all stands for every part.
const all = "all"

// NewCmdRotate returns the command; tests replace its run function with run.
func NewCmdRotate(f *cmdutil.Factory, run func(context.Context, *RotateOptions) error) *cobra.Command {
	opts := &RotateOptions{IO: f.IO}
	if run == nil {
		run = runRotate
	}
	choices := append(installer.Rotatable(), all)
	cmd := &cobra.Command{
		Use:   "rotate PART",
		Short: "Replace secrets and restart the services",
		Long: `Generate new secrets for PART (` + strings.Join(choices, ", ") + `) and restart
the services. No data is lost and nobody is signed out: tokens signed with the
previous key stay valid. Each service gets another user in MongoDB and RabbitMQ;
the previous one is removed once no pod uses it, when converters have completed
their work. If the command is interrupted, run it again.`,
		Example: `  sx secrets rotate mongodb
  sx secrets rotate all --yes`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case args[0] == all:
				opts.Parts = installer.Rotatable()
			case slices.Contains(choices, args[0]):
				opts.Parts = args
			default:
				return cmdutil.UsageErrorf("unknown part %q; use one of: %s", args[0], strings.Join(choices, ", "))
			}
			if !opts.Yes && !f.IO.InTTY {
				return cmdutil.UsageErrorf("cannot ask for confirmation without a terminal; add --yes")
			}
			return run(cmd.Context(), opts)
		},
	}
	opts.Cluster.Add(cmd)
	cmd.Flags().BoolVarP(&opts.Yes, "yes", "y", false, "do not ask for confirmation")
	cmd.Flags().DurationVar(&opts.Timeout, "timeout", cluster.DefaultTimeout, "wait at most `TIME` for the services, such as 90s or 15m")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print each event as a line of JSON")
	return cmd
}

func runRotate(ctx context.Context, opts *RotateOptions) error {
	if !opts.Yes {
		yes, err := term.Confirm(ctx, opts.IO, fmt.Sprintf("Replace the secrets of %s and restart the services?", strings.Join(opts.Parts, ", ")))
		if err != nil || !yes {
			return err
		}
	}
	display := cluster.NewRolloutDisplay(opts.IO, opts.JSON)
	defer display.Close()
	in, err := opts.Cluster.Installer(display.Show)
	if err != nil {
		return err
	}
	return in.Rotate(ctx, opts.Parts, opts.Timeout)
}
