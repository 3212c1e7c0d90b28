package admin

import (
	"cmp"
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

// widthOfTimes is the width of a terminal at which there is space for the times of entries
// instead of their age.
const widthOfTimes = 60

type auditOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	Account string
	Since   cmdutil.Lifetime // 0 is all that is kept
	JSON    bool
	cmdutil.Page
}

func newCmdAudit(f *cmdutil.Factory, run func(context.Context, *auditOptions) error) *cobra.Command {
	opts := &auditOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runAudit
	}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List changes to accounts",
		Long: `List the changes that administrators and users made to accounts, newest first:
who, when, from which address, and with which result. Entries are kept for a
year.

If the output is not a terminal, each line has the time, the acting account, the
action, the account, the result (ok or an error code) and the address, separated
by tabs, with no header.`,
		Example: `  sx admin audit
  sx admin audit --account anna --since 30d
  sx admin audit --all --json | jq -r '.[] | select(.result != "ok").actor'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.Check(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Account, "account", "", "show changes to the account `NAME`")
	cmd.Flags().Var(&opts.Since, "since", "show entries that are at most `TIME` old, such as 30d or 12h")
	cmdutil.AddPageFlags(cmd, &opts.Page, "entries", defaultLimit, "start after the entry with this `ID`")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the entries as a JSON array")
	return cmd
}

func runAudit(ctx context.Context, opts *auditOptions) error {
	if opts.Account != "" {
		name, err := sx.UserName(opts.Account)
		if err != nil {
			return err
		}
		opts.Account = name
	}
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
	if err := printAudit(opts.IO, found); err != nil {
		return err
	}
	if next != "" {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "more entries: %s\n", opts.Next(opts.nextArgs(next)...))
	}
	return nil
}

func printAudit(io *term.IOStreams, found []api.AuditEntry) error {
	columns := []term.Column{
		{Header: "TIME"},
		{Header: "BY", Shrink: true, Min: 6},
		{Header: "ACTION", Shrink: true},
		{Header: "ACCOUNT", Shrink: true, Min: 7},
		{Header: "RESULT", Shrink: true, Min: 6},
		{Header: "ADDRESS", Optional: true},
	}
	width, _ := io.Size()
	narrow := width < widthOfTimes
	if narrow {
		columns[0].Header = "AGE"
	}
	rows := make([][]term.Cell, len(found))
	for i, e := range found {
		result := term.TextCell(e.Result)
		if e.Result != api.AuditOK {
			result.Color = "33"
		}
		at := e.Time.Local().Format("2006-01-02 15:04")
		if narrow {
			at = term.FormatAge(time.Since(e.Time))
		}
		rows[i] = []term.Cell{
			{Text: at, Full: e.Time.UTC().Format(time.RFC3339)},
			term.TextCell(cmp.Or(e.Actor, "-")), term.TextCell(e.Action), term.TextCell(cmp.Or(e.Account, "-")), result,
			term.TextCell(cmp.Or(e.Address, "-")),
		}
	}
	return term.PrintTable(io, columns, rows)
}

// nextArgs returns the command for the entries after the given one.
func (opts *auditOptions) nextArgs(next string) []string {
	args := append([]string{"admin", "audit"}, opts.NextArgs(next, defaultLimit)...)
	if opts.Account != "" {
		args = append(args, "--account", opts.Account)
	}
	if opts.Since != 0 {
		args = append(args, "--since", opts.Since.String())
	}
	return args
}

// fetch returns the selected entries and the cursor of the next page.
func (opts *auditOptions) fetch(ctx context.Context, c *client.Client) (found []api.AuditEntry, next string, err error) {
	var since time.Time
	if opts.Since != 0 {
		since = time.Now().Add(-time.Duration(opts.Since))
	}
	return cmdutil.FetchPage(opts.Page, api.MaxLimit, func(after string, limit int) ([]api.AuditEntry, string, error) {
		page, err := c.Audit(ctx, opts.Account, since, after, limit)
		return page.Entries, page.Next, err
	})
}
