// Package notify holds the commands of sx notify.
package notify

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

type showOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	JSON bool
}

// NewCmd returns sx notify with its subcommands.
func NewCmd(f *cmdutil.Factory) *cobra.Command {
	cmd := newCmdShow(f, nil)
	cmd.AddCommand(
		newCmdEmail(f, nil), newCmdConfirm(f, nil), newCmdWebhook(f),
		newCmdTest(f, nil), newCmdDeliveries(f, nil), newCmdReplay(f, nil),
	)
	return cmd
}

func newCmdShow(f *cmdutil.Factory, run func(context.Context, *showOptions) error) *cobra.Command {
	opts := &showOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runShow
	}
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Manage notifications by e-mail and webhook",
		Long: `Get notified by e-mail or webhook when a job is done or has failed. Without a
subcommand, show the current settings.

This requires signing in with a password: a personal token can neither see nor
change notification settings.`,
		Example: `  sx notify email ada@example.org
  sx notify webhook add https://example.org/hook
  sx notify test`,
		Args: cmdutil.RequireSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},

		SuggestionsMinimumDistance: 2,
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the settings as JSON")
	return cmd
}

func runShow(ctx context.Context, opts *showOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	n, err := c.Notify(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(n)
	}
	if err := opts.IO.Printf("%s", describe(n)); err != nil {
		return err
	}
	if n.PendingEmail != "" {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "next: %s, with the code from the e-mail\n", opts.Next("notify", "confirm", "CODE"))
	}
	return nil
}

// describe returns the settings as text, one per line.
func describe(n api.Notify) string {
	var b strings.Builder
	line := func(name, value string) { _, _ = fmt.Fprintf(&b, "%-10s%s\n", name, value) }
	switch {
	case n.Email != "":
		line("email", n.Email)
	case n.SendsEmail:
		line("email", "none")
	default:
		line("email", "none (this server does not send e-mail)")
	}
	if n.PendingEmail != "" {
		line("  new", n.PendingEmail+" (not confirmed)")
	}
	for _, h := range n.Webhooks {
		state := ""
		if h.Disabled != nil {
			state = " (disabled: the receiver responded 410 Gone)"
		}
		line("webhook", h.URL+state)
		line("  id", h.ID)
	}
	if len(n.Webhooks) == 0 {
		line("webhooks", "none")
	}
	return b.String()
}
