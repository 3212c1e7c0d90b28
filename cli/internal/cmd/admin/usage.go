package admin

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type usageOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)

	JSON bool
	cmdutil.Page
}

func newCmdUsage(f *cmdutil.Factory, run func(context.Context, *usageOptions) error) *cobra.Command {
	opts := &usageOptions{IO: f.IO, Client: f.Client}
	if run == nil {
		run = runUsage
	}
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "List what each account uses",
		Long: `List what each account uses, those with the most bytes first: stored videos and
MP3s, jobs, unfinished uploads, and the jobs created today (UTC).

If the output is not a terminal, each line has the name, bytes, jobs, uploads
and today's jobs, separated by tabs, with no header.`,
		Example: `  sx admin usage
  sx admin usage --limit 5
  sx admin usage --all --json | jq 'map(.bytes) | add'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Check(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	cmdutil.AddPageFlags(cmd, &opts.Page, "accounts", defaultLimit, "start after this `CURSOR`, printed by the previous page")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the accounts as a JSON array")
	return cmd
}

func runUsage(ctx context.Context, opts *usageOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	found, next, err := cmdutil.FetchPage(opts.Page, api.MaxAdminLimit, func(after string, limit int) ([]api.AccountUsage, string, error) {
		page, err := c.AdminUsage(ctx, after, limit)
		return page.Accounts, page.Next, err
	})
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(found)
	}
	if len(found) == 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "no account has any jobs")
		return nil
	}
	rows := make([][]term.Cell, len(found))
	for i, u := range found {
		rows[i] = []term.Cell{
			term.TextCell(ownerName(u.Owner)),
			{Text: sx.FormatSize(u.Bytes), Full: strconv.FormatInt(u.Bytes, 10)},
			term.TextCell(strconv.Itoa(u.Jobs)),
			term.TextCell(strconv.Itoa(u.Uploads)),
			term.TextCell(strconv.Itoa(u.Today)),
		}
	}
	if err := term.PrintTable(opts.IO, []term.Column{
		{Header: "NAME", Shrink: true},
		{Header: "STORED", Right: true},
		{Header: "JOBS", Right: true},
		{Header: "UPLOADS", Right: true, Optional: true},
		{Header: "TODAY", Right: true, Optional: true},
	}, rows); err != nil {
		return err
	}
	cmdutil.PrintMore(opts.IO.ErrOut, "accounts", next)
	return nil
}
