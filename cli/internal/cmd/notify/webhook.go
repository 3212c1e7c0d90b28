package notify

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

func newCmdWebhook(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Manage webhooks",
		Long: `Manage webhooks: URLs that receive an event as JSON in a POST request when a job
ends.

Requests are signed according to Standard Webhooks (www.standardwebhooks.com),
which has libraries in many languages to verify them. A 2xx response confirms
the event, 410 disables the webhook; anything else is retried for three days.`,
		Example: `  sx notify webhook add https://example.org/hook
  sx notify webhook list`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newCmdAdd(f, nil), newCmdList(f, nil), newCmdRemove(f, nil))
	return cmd
}

type webhookOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	Webhook string // the URL of a new one, the id of another
	JSON    bool
}

func newCmdAdd(f *cmdutil.Factory, run func(context.Context, *webhookOptions) error) *cobra.Command {
	opts := &webhookOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runAdd
	}
	cmd := &cobra.Command{
		Use:   "add URL",
		Short: "Add a webhook",
		Long: `Add a webhook, and print the secret that verifies its signatures. The secret
cannot be shown again.`,
		Example:           `  sx notify webhook add https://example.org/hook`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Webhook = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the webhook as JSON")
	return cmd
}

func runAdd(ctx context.Context, opts *webhookOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	made, err := c.AddWebhook(ctx, api.NewWebhook{URL: opts.Webhook})
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(made)
	}
	if err := opts.IO.Printf("%s\n", made.Secret); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(opts.IO.ErrOut, "The secret verifies the signatures of this webhook; it cannot be shown again.\n"+
		"next: test the webhook: %s\n"+
		"      or remove it: %s\n", opts.Next("notify", "test"), opts.Next("notify", "webhook", "rm", made.ID))
	return nil
}

func newCmdList(f *cmdutil.Factory, run func(context.Context, *webhookOptions) error) *cobra.Command {
	opts := &webhookOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runList
	}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List your webhooks",
		Long: `List your webhooks. Their secrets cannot be shown again.

If the output is not a terminal, each line has the ID, URL, state and creation
time, separated by tabs, with no header.`,
		Example: `  sx notify webhook list
  sx notify webhook list --json | jq -r '.[].url'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the webhooks as a JSON array")
	return cmd
}

func runList(ctx context.Context, opts *webhookOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	n, err := c.Notify(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(n.Webhooks)
	}
	if len(n.Webhooks) == 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "no webhooks yet; add one with: "+opts.Next("notify", "webhook", "add", "URL"))
		return nil
	}
	columns := []term.Column{{Header: "ID"}, {Header: "URL", Shrink: true}, {Header: "STATE"}, {Header: "CREATED", Optional: true}}
	rows := make([][]term.Cell, len(n.Webhooks))
	for i, h := range n.Webhooks {
		state := term.TextCell("enabled")
		if h.Disabled != nil {
			state = term.Cell{Text: "disabled", Color: "33"}
		}
		created := term.DateCell(h.Created)
		rows[i] = []term.Cell{term.TextCell(h.ID), term.TextCell(h.URL), state, created}
	}
	return term.PrintTable(opts.IO, columns, rows)
}

func newCmdRemove(f *cmdutil.Factory, run func(context.Context, *webhookOptions) error) *cobra.Command {
	opts := &webhookOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runRemove
	}
	cmd := &cobra.Command{
		Use:               "rm ID",
		Short:             "Remove a webhook",
		Example:           `  sx notify webhook rm jq3m5v7kxw2c4t6b`,
		Args:              cmdutil.UsageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cmdutil.CompleteWebhooks(f),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Webhook = args[0]
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the removed webhook as JSON")
	return cmd
}

func runRemove(ctx context.Context, opts *webhookOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	n, err := c.Notify(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(n.Webhooks, func(h api.Webhook) bool { return h.ID == opts.Webhook })
	if i < 0 {
		return sx.NewError(sx.CodeNotFound, "webhook %q not found", opts.Webhook).
			WithHint("list your webhooks with: %s", opts.Next("notify", "webhook", "list"))
	}
	if err := c.RemoveWebhook(ctx, opts.Webhook); err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(n.Webhooks[i])
	}
	return opts.IO.Printf("Removed the webhook %s\n", n.Webhooks[i].URL)
}
