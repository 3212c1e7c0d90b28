package admin

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

type usersOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	JSON bool
	cmdutil.Page
}

const defaultLimit = 50

func newCmdUsers(f *cmdutil.Factory, run func(context.Context, *usersOptions) error) *cobra.Command {
	opts := &usersOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runUsers
	}
	cmd := &cobra.Command{
		Use:   "users",
		Short: "List the accounts",
		Long: `List the accounts by name.

If the output is not a terminal, each line has the name, role (admin or user),
state (enabled, disabled or deleting), creation time and own limits (- for
none), separated by tabs, with no header.`,
		Example: `  sx admin users
  sx admin users --limit 20 --after anna
  sx admin users --all --json | jq -r '.[] | select(.disabled).name'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Check(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	cmdutil.AddPageFlags(cmd, &opts.Page, "accounts", defaultLimit, "start after this `NAME`")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the accounts as a JSON array")
	return cmd
}

func runUsers(ctx context.Context, opts *usersOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	found, next, err := opts.fetch(ctx, c)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(found)
	}
	columns := []term.Column{{Header: "NAME", Shrink: true}, {Header: "ROLE"}, {Header: "STATE"}, {Header: "CREATED", Optional: true}, {Header: "OWN LIMITS", Shrink: true, Optional: true}}
	rows := make([][]term.Cell, len(found))
	for i, u := range found {
		role, state := term.TextCell("user"), term.TextCell("enabled")
		if u.Admin {
			role = term.TextCell("admin")
		}
		switch {
		case u.Deleting:
			state = term.Cell{Text: "deleting", Color: "33"}
		case u.Disabled:
			state = term.Cell{Text: "disabled", Color: "33"}
		}
		rows[i] = []term.Cell{term.TextCell(u.Name), role, state, term.DateCell(u.Created), term.TextCell(cmp.Or(describeLimits(u.Limits), "-"))}
	}
	if err := term.PrintTable(opts.IO, columns, rows); err != nil {
		return err
	}
	if next != "" {
		args := append([]string{"admin", "users"}, opts.NextArgs(next, defaultLimit)...)
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "more accounts: %s\n", opts.Next(args...))
	}
	return nil
}

// fetch returns the selected accounts and the cursor of the next page.
func (opts *usersOptions) fetch(ctx context.Context, c *client.Client) (found []api.Account, next string, err error) {
	return cmdutil.FetchPage(opts.Page, api.MaxLimit, func(after string, limit int) ([]api.Account, string, error) {
		page, err := c.Users(ctx, after, limit)
		return page.Users, page.Next, err
	})
}
