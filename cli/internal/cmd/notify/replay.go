package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type replayOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Now    func() time.Time

	IDs    []string
	Failed bool
	JSON   bool
}

func newCmdReplay(f *cmdutil.Factory, run func(context.Context, *replayOptions) error) *cobra.Command {
	opts := &replayOptions{IO: f.IO, Client: f.Client, Now: time.Now}
	if run == nil {
		run = runReplay
	}
	cmd := &cobra.Command{
		Use:   "replay ID... | --failed",
		Short: "Send notifications to webhooks again",
		Long: `Send notifications to their webhooks again: those with the IDs, or with --failed
all that have failed in the last 30 days, oldest first. Receivers recognise a
notification that they have by its header webhook-id, which stays the same.

The IDs are in the output of "sx notify deliveries --json".`,
		Example: `  sx notify replay --failed
  sx notify replay k3q5wz7d2mhv4xay-1-w5x2m7kqz4n3bcta`,
		Args:              cmdutil.UsageArgs(cobra.ArbitraryArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.IDs = args; (len(args) > 0) == opts.Failed {
				return cmdutil.UsageErrorf("specify either IDs or --failed")
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Failed, "failed", false, "send all notifications that have failed")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the deliveries as a JSON array")
	return cmd
}

func runReplay(ctx context.Context, opts *replayOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	if opts.Failed {
		if err := opts.findFailed(ctx, c); err != nil {
			return err
		}
	}
	list := []api.Delivery{}
	for _, id := range opts.IDs {
		d, err := c.Replay(ctx, id)
		if err != nil {
			_, _ = fmt.Fprintf(opts.IO.ErrOut, "notifications to be sent again: %d of %d\n", len(list), len(opts.IDs))
			return err
		}
		list = append(list, d)
	}
	switch {
	case opts.JSON:
		return opts.IO.WriteJSON(list)
	case len(list) == 0:
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "no failed notifications")
		return nil
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "notifications to be sent again: %d\n", len(list))
	return printDeliveries(opts.IO, list, opts.Now())
}

// findFailed sets the IDs of the failed deliveries to webhooks that exist and are enabled,
// the oldest first.
func (opts *replayOptions) findFailed(ctx context.Context, c *client.Client) error {
	settings, err := c.Notify(ctx)
	if err != nil {
		return err
	}
	enabled := map[string]bool{}
	for _, h := range settings.Webhooks {
		enabled[h.URL] = h.Disabled == nil
	}
	found, _, err := cmdutil.Pages("", 0, pagesOf(ctx, c))
	if err != nil {
		return err
	}
	for _, d := range found {
		if d.State == sx.DeliveryFailed && d.Channel == sx.ChannelWebhook && enabled[d.Target] {
			opts.IDs = append([]string{d.ID}, opts.IDs...)
		}
	}
	return nil
}
