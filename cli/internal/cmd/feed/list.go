package feed

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
)

type listOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string

	JSON bool
}

func newCmdList(f *cmdutil.Factory, run func(context.Context, *listOptions) error) *cobra.Command {
	opts := &listOptions{IO: f.IO, Client: f.Client, Next: f.Next}
	if run == nil {
		run = runList
	}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List your podcast feeds",
		Long: `List your podcast feeds, oldest first. Their addresses cannot be shown again.

If the output is not a terminal, each line has the ID, name, label, folder and
creation time, separated by tabs, with no header.`,
		Example: `  sx feed list
  sx feed list --json | jq -r '.[].name'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the feeds as a JSON array")
	return cmd
}

func runList(ctx context.Context, opts *listOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	found, err := c.Feeds(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(found.Feeds)
	}
	if len(found.Feeds) == 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "no feeds yet; create one with: "+opts.Next("feed", "create", "NAME"))
		return nil
	}
	columns := []term.Column{{Header: "ID"}, {Header: "NAME", Shrink: true}, {Header: "LABEL"}, {Header: "FOLDER"}, {Header: "CREATED", Optional: true}}
	rows := make([][]term.Cell, len(found.Feeds))
	for i, f := range found.Feeds {
		made := term.DateCell(f.Created)
		rows[i] = []term.Cell{term.TextCell(f.ID), term.TextCell(f.Name), term.TextCell(f.Label), term.TextCell(f.Folder), made}
	}
	return term.PrintTable(opts.IO, columns, rows)
}
