package share

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

type listOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Now    func() time.Time
	Next   func(args ...string) string

	JSON bool
}

// listed is a link with its job.
type listed struct {
	api.Share

	Job  string `json:"job"`
	Name string `json:"name"` // of the video
}

func newCmdList(f *cmdutil.Factory, run func(context.Context, *listOptions) error) *cobra.Command {
	opts := &listOptions{IO: f.IO, Client: f.Client, Next: f.Next, Now: time.Now}
	if run == nil {
		run = runList
	}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List your links",
		Long: `List your links, those of the newest jobs first, with how often each was used:
its page opened, or all MP3s downloaded together. The links themselves cannot be
shown again. Expired links are listed until they are revoked or another one of
the same job is created.

If the output is not a terminal, each line has the ID, name, uses, creation time
and expiry time, separated by tabs, with no header.`,
		Example: `  sx share list
  sx share list --json | jq -r '.[].id'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the links as a JSON array")
	return cmd
}

func runList(ctx context.Context, opts *listOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	links := []listed{}
	for filter := (client.JobFilter{Shared: true, Limit: api.MaxLimit}); ; {
		page, err := c.Jobs(ctx, filter)
		if err != nil {
			return err
		}
		for _, j := range page.Jobs {
			for _, s := range j.Shares {
				links = append(links, listed{s, j.ID, j.Name})
			}
		}
		if filter.After = page.Next; page.Next == "" {
			break
		}
	}
	if opts.JSON {
		return opts.IO.WriteJSON(links)
	}
	if len(links) == 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "no links yet; create one with: "+opts.Next("share", "create", "JOB"))
		return nil
	}
	columns := []term.Column{{Header: "ID"}, {Header: "NAME", Shrink: true}, {Header: "USES"}, {Header: "CREATED", Optional: true}, {Header: "EXPIRES"}}
	rows := make([][]term.Cell, len(links))
	for i, l := range links {
		expires := term.DateCell(l.Expires)
		if !opts.Now().Before(l.Expires) {
			expires.Text, expires.Color = "expired", "33"
		}
		rows[i] = []term.Cell{term.TextCell(l.ID), term.TextCell(l.Name), term.TextCell(strconv.Itoa(l.Uses)), term.DateCell(l.Created), expires}
	}
	return term.PrintTable(opts.IO, columns, rows)
}
