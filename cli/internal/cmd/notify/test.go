package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type testOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Now    func() time.Time
	// Pause is the time between two polls for the results, Timeout limits the
	// polling.
	Pause, Timeout time.Duration
	Next           func(args ...string) string

	JSON bool
}

func newCmdTest(f *cmdutil.Factory, run func(context.Context, *testOptions) error) *cobra.Command {
	opts := &testOptions{IO: f.IO, Client: f.Client, Next: f.Next, Now: time.Now, Pause: 300 * time.Millisecond, Timeout: 30 * time.Second}
	if run == nil {
		run = runTest
	}
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Send a test notification",
		Long: `Send a test notification to your e-mail address and each webhook, and show the
result of the first attempt. The command fails unless all of them succeed.`,
		Example: `  sx notify test`,
		Args:    cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the deliveries as a JSON array")
	return cmd
}

func runTest(ctx context.Context, opts *testOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	made, err := c.TestNotify(ctx)
	if err != nil {
		return err
	}
	list, err := opts.outcome(ctx, c, made.Deliveries)
	if err != nil {
		return err
	}
	if opts.JSON {
		err = opts.IO.WriteJSON(list)
	} else {
		err = printDeliveries(opts.IO, list, opts.Now())
	}
	if err != nil {
		return err
	}
	arrived := 0
	for _, d := range list {
		if d.State == sx.DeliveryDelivered {
			arrived++
		}
	}
	if arrived < len(list) {
		return sx.NewError(sx.CodeUnavailable, "%d of %d test notifications not delivered", len(list)-arrived, len(list)).
			WithHint("failed attempts are retried; see: %s", opts.Next("notify", "deliveries"))
	}
	return nil
}

// outcome waits until each delivery was tried once and returns their states.
func (opts *testOptions) outcome(ctx context.Context, c *client.Client, made []api.Delivery) ([]api.Delivery, error) {
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "test notifications sent: %d\n", len(made))
	tick, timeout := time.NewTicker(opts.Pause), time.After(opts.Timeout)
	defer tick.Stop()
	for {
		found, err := c.Deliveries(ctx, "", api.MaxLimit)
		if err != nil {
			return nil, err
		}
		tried := 0
		for i, m := range made {
			if k := slices.IndexFunc(found.Deliveries, func(d api.Delivery) bool { return d.ID == m.ID }); k >= 0 {
				made[i] = found.Deliveries[k]
			}
			if made[i].State != sx.DeliveryPending || made[i].LastError != "" {
				tried++
			}
		}
		if tried == len(made) {
			return made, nil
		}
		select {
		case <-tick.C:
		case <-timeout:
			return made, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
