package token

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
)

type listOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Now    func() time.Time
	Next   func(args ...string) string

	JSON bool
}

func newCmdList(f *cmdutil.Factory, run func(context.Context, *listOptions) error) *cobra.Command {
	opts := &listOptions{IO: f.IO, Client: f.Client, Next: f.Next, Now: time.Now}
	if run == nil {
		run = runList
	}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List your personal tokens",
		Long: `List your personal tokens, oldest first. Expired tokens are listed for another
month. The tokens themselves cannot be shown again.

If the output is not a terminal, each line has the ID, name, creation time and
expiry time, separated by tabs, with no header.`,
		Example: `  sx token list
  sx token list --json | jq -r '.[].name'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the tokens as a JSON array")
	return cmd
}

func runList(ctx context.Context, opts *listOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	found, err := c.PersonalTokens(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(found.Tokens)
	}
	if len(found.Tokens) == 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "no tokens yet; create one with: "+opts.Next("token", "create", "NAME"))
		return nil
	}
	columns := []term.Column{{Header: "ID"}, {Header: "NAME", Shrink: true}, {Header: "CREATED", Optional: true}, {Header: "EXPIRES"}}
	rows := make([][]term.Cell, len(found.Tokens))
	for i, t := range found.Tokens {
		expires := term.DateCell(t.Expires)
		if !opts.Now().Before(t.Expires) {
			expires.Text, expires.Color = "expired", "33"
		}
		rows[i] = []term.Cell{term.TextCell(t.ID), term.TextCell(t.Name), term.DateCell(t.Created), expires}
	}
	return term.PrintTable(opts.IO, columns, rows)
}
