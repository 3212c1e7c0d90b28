package admin

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
)

type finishUpgradeOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)

	JSON bool
}

func newCmdFinishUpgrade(f *cmdutil.Factory, run func(context.Context, *finishUpgradeOptions) error) *cobra.Command {
	opts := &finishUpgradeOptions{IO: f.IO, Client: f.Client}
	if run == nil {
		run = runFinishUpgrade
	}
	cmd := &cobra.Command{
		Use:   "finish-upgrade",
		Short: "Make an upgrade of the server final",
		Long: `Make an upgrade of the server final: it begins to store data in the new
release's format. Before that, you can go back to the previous release (sx
rollback in a cluster, the previous sxd on one machine); afterwards, it refuses
the data. Without this command, an upgrade becomes final a day after the
previous release was last running.`,
		Example: `  sx admin finish-upgrade`,
		Args:    cmdutil.UsageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), opts) },
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the state of the upgrade as JSON")
	return cmd
}

func runFinishUpgrade(ctx context.Context, opts *finishUpgradeOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	u, err := c.FinishUpgrade(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(u)
	}
	return opts.IO.Printf("The upgrade is final; data is now stored in format %d\n", u.Format)
}
