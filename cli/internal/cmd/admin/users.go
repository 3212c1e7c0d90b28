package admin

import (
	"context"
	"fmt"
	"strconv"
	"time"

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

	Limit int
	After string
	All   bool
	JSON  bool
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
state (enabled or disabled) and creation time, separated by tabs, with no
header.`,
		Example: `  sx admin users
  sx admin users --limit 20 --after anna
  sx admin users --all --json | jq -r '.[] | select(.disabled).name'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.Limit < 1 {
				return cmdutil.UsageErrorf("--limit must be at least 1")
			}
			if opts.All && cmd.Flags().Changed("limit") {
				return cmdutil.UsageErrorf("--all and --limit are mutually exclusive")
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().IntVar(&opts.Limit, "limit", defaultLimit, "show at most `N` accounts")
	cmd.Flags().StringVar(&opts.After, "after", "", "start after this `NAME`")
	cmd.Flags().BoolVar(&opts.All, "all", false, "show all accounts")
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
	columns := []term.Column{{Header: "NAME", Shrink: true}, {Header: "ROLE"}, {Header: "STATE"}, {Header: "CREATED", Optional: true}}
	rows := make([][]term.Cell, len(found))
	for i, u := range found {
		role, state := term.TextCell("user"), term.TextCell("enabled")
		if u.Admin {
			role = term.TextCell("admin")
		}
		if u.Disabled {
			state = term.Cell{Text: "disabled", Color: "33"}
		}
		rows[i] = []term.Cell{term.TextCell(u.Name), role, state, {
			Text: u.Created.Local().Format(time.DateOnly), Full: u.Created.UTC().Format(time.RFC3339),
		}}
	}
	if err := term.PrintTable(opts.IO, columns, rows); err != nil {
		return err
	}
	if next != "" {
		args := []string{"admin", "users", "--after", next}
		if opts.Limit != defaultLimit {
			args = append(args, "--limit", strconv.Itoa(opts.Limit))
		}
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "more accounts: %s\n", opts.Next(args...))
	}
	return nil
}

// fetch returns the selected accounts and the cursor of the next page.
func (opts *usersOptions) fetch(ctx context.Context, c *client.Client) (found []api.User, next string, err error) {
	limit := opts.Limit
	if opts.All {
		limit = 0
	}
	return cmdutil.Pages(opts.After, limit, func(after string, limit int) ([]api.User, string, error) {
		page, err := c.Users(ctx, after, limit)
		return page.Users, page.Next, err
	})
}
