package notify

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type deliveriesOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Now    func() time.Time
	Next   func(args ...string) string

	JSON bool
	cmdutil.Page
}

const defaultLimit = 30

func newCmdDeliveries(f *cmdutil.Factory, run func(context.Context, *deliveriesOptions) error) *cobra.Command {
	opts := &deliveriesOptions{IO: f.IO, Client: f.Client, Next: f.Next, Now: time.Now}
	if run == nil {
		run = runDeliveries
	}
	cmd := &cobra.Command{
		Use:   "deliveries",
		Short: "List sent notifications, newest first",
		Long: `List notifications that were sent or are pending, newest first. Finished ones
are kept for 30 days, at most the newest 10,000 of an account.

If the output is not a terminal, each line has the ID, event, channel, target,
state, number of attempts, creation time and last error, separated by tabs, with
no header.`,
		Example: `  sx notify deliveries
  sx notify deliveries --json | jq '.[] | select(.state == "failed")'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Check(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	cmdutil.AddPageFlags(cmd, &opts.Page, "deliveries", defaultLimit, "start after this `CURSOR`, printed by the previous page")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the deliveries as a JSON array")
	return cmd
}

func runDeliveries(ctx context.Context, opts *deliveriesOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	list, next, err := cmdutil.FetchPage(opts.Page, api.MaxLimit, pagesOf(ctx, c))
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(list)
	}
	if len(list) == 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "no notifications yet; send a test with: "+opts.Next("notify", "test"))
		return nil
	}
	if err := printDeliveries(opts.IO, list, opts.Now()); err != nil {
		return err
	}
	cmdutil.PrintMore(opts.IO.ErrOut, "deliveries", next)
	return nil
}

// pagesOf returns a function that requests a page of deliveries, for cmdutil.Pages.
func pagesOf(ctx context.Context, c *client.Client) func(after string, limit int) ([]api.Delivery, string, error) {
	return func(after string, limit int) ([]api.Delivery, string, error) {
		page, err := c.Deliveries(ctx, after, limit)
		return page.Deliveries, page.Next, err
	}
}

func printDeliveries(streams *term.IOStreams, list []api.Delivery, now time.Time) error {
	if !streams.OutTTY {
		rows := make([][]term.Cell, len(list))
		for i, d := range list {
			rows[i] = cells(d.ID, string(d.Event), string(d.Channel), d.Target, string(d.State), strconv.Itoa(d.Tries),
				d.Created.UTC().Format(time.RFC3339), d.LastError)
		}
		return term.PrintTable(streams, make([]term.Column, len(rows[0])), rows)
	}
	columns := []term.Column{
		{Header: "EVENT", Optional: true},
		{Header: "TO", Shrink: true},
		{Header: "STATE"},
		{Header: "AGE", Optional: true},
		{Header: "DETAILS", Shrink: true, Min: 16},
	}
	rows := make([][]term.Cell, len(list))
	for i, d := range list {
		rows[i] = cells(string(d.Event), strings.TrimPrefix(d.Target, "https://"), string(d.State), term.FormatAge(now.Sub(d.Created)), details(d, now))
		rows[i][2].Color = map[sx.DeliveryState]string{sx.DeliveryDelivered: "32", sx.DeliveryFailed: "31"}[d.State]
	}
	return term.PrintTable(streams, columns, rows)
}

func cells(texts ...string) []term.Cell {
	row := make([]term.Cell, len(texts))
	for i, t := range texts {
		row[i] = term.TextCell(t)
	}
	return row
}

// details returns the last error and, if there is one, the time of the next attempt.
func details(d api.Delivery, now time.Time) string {
	if d.State != sx.DeliveryPending || d.LastError == "" || d.NextTry == nil {
		return d.LastError
	}
	return fmt.Sprintf("%s; retry in %s", d.LastError, term.FormatAge(max(0, d.NextTry.Sub(now))))
}
