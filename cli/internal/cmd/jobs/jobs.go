// Package jobs is the command sx jobs.
package jobs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx jobs.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Now    func() time.Time
	Next   func(args ...string) string

	States []string
	Name   string
	Labels []string
	Limit  int
	After  string
	All    bool
	JSON   bool
}

const defaultLimit = 30

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Next: f.Next, Now: time.Now}
	if run == nil {
		run = runJobs
	}
	cmd := &cobra.Command{
		Use:     "jobs",
		Aliases: []string{"ls"},
		Short:   "List jobs, newest first",
		Long: `List your jobs, newest first.

If the output is not a terminal, each line has the ID, name, state, progress in
percent, size in bytes, creation time, and why the job failed, separated by
tabs, with no header.`,
		Example: `  sx jobs
  sx jobs --state failed --label acoustics
  sx jobs --name lecture --all --json | jq -r '.[].id'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.check(cmd.Flags().Changed("limit")); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringSliceVar(&opts.States, "state", nil, "only jobs in this `STATE`; can be repeated")
	cmd.Flags().StringVar(&opts.Name, "name", "", "only videos whose name contains `TEXT`")
	cmd.Flags().StringArrayVar(&opts.Labels, "label", nil, "only jobs with this `LABEL`; can be repeated")
	cmd.Flags().IntVar(&opts.Limit, "limit", defaultLimit, "show at most `N` jobs")
	cmd.Flags().StringVar(&opts.After, "after", "", "start after this `CURSOR`, printed by the previous page")
	cmd.Flags().BoolVar(&opts.All, "all", false, "show all jobs")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the jobs as a JSON array")
	// Fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(cmdutil.StateNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (opts *Options) check(limited bool) error {
	if err := cmdutil.CheckStates(opts.States); err != nil {
		return err
	}
	if opts.Limit < 1 {
		return cmdutil.UsageErrorf("--limit must be at least 1")
	}
	if opts.All && limited {
		return cmdutil.UsageErrorf("--all and --limit are mutually exclusive")
	}
	return nil
}

func runJobs(ctx context.Context, opts *Options) error {
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
	return opts.print(found, next)
}

// fetch returns the selected jobs and the cursor of the next page.
func (opts *Options) fetch(ctx context.Context, c *client.Client) (found []api.Job, next string, err error) {
	filter := client.JobFilter{Name: opts.Name, Labels: opts.Labels}
	for _, s := range opts.States {
		filter.States = append(filter.States, sx.State(s))
	}
	limit := opts.Limit
	if opts.All {
		limit = 0
	}
	return cmdutil.Pages(opts.After, limit, func(after string, limit int) ([]api.Job, string, error) {
		filter.After, filter.Limit = after, limit
		page, err := c.Jobs(ctx, filter)
		return page.Jobs, page.Next, err
	})
}

func (opts *Options) print(found []api.Job, next string) error {
	if len(found) == 0 {
		opts.sayEmpty()
		return nil
	}
	columns := []term.Column{
		{Header: "ID"},
		{Header: "NAME", Shrink: true, Min: 12},
		{Header: "STATE"},
		{Header: "PROGRESS", Right: true, Optional: true},
		{Header: "SIZE", Right: true, Optional: true},
		{Header: "AGE", Right: true, Optional: true},
	}
	rows := make([][]term.Cell, len(found))
	for i, j := range found {
		rows[i] = []term.Cell{
			term.TextCell(j.ID),
			term.TextCell(j.Name),
			{Text: string(j.State), Color: colors[j.State]},
			{Text: progress(j), Full: strconv.FormatFloat(j.Progress, 'f', 1, 64)},
			{Text: sx.FormatSize(j.Sent.Size), Full: strconv.FormatInt(j.Sent.Size, 10)},
			{Text: term.FormatAge(opts.Now().Sub(j.Created)), Full: j.Created.UTC().Format(time.RFC3339)},
		}
	}
	// At a terminal the reason comes before what may be left out, if there is one.
	at := len(columns)
	if opts.IO.OutTTY {
		at = 3
	}
	if !opts.IO.OutTTY || slices.ContainsFunc(found, func(j api.Job) bool { return reason(j) != "" }) {
		columns = slices.Insert(columns, at, term.Column{Header: "REASON", Shrink: true, Min: 24, Optional: true})
		for i, j := range found {
			rows[i] = slices.Insert(rows[i], at, term.TextCell(reason(j)))
		}
	}
	if err := term.PrintTable(opts.IO, columns, rows); err != nil {
		return err
	}
	if next != "" {
		_, _ = fmt.Fprintf(opts.IO.ErrOut, "more jobs: continue with --after %s, or show all with --all\n", next)
	}
	return nil
}

func (opts *Options) sayEmpty() {
	text := "no jobs yet; upload a video with: " + opts.Next("upload", "FILE")
	switch {
	case opts.After != "":
		text = "no more jobs"
	case len(opts.States)+len(opts.Labels) > 0 || opts.Name != "":
		text = "no matching jobs"
	}
	_, _ = fmt.Fprintln(opts.IO.ErrOut, text)
}

// colors are the SGR codes of the states that are coloured.
var colors = map[sx.State]string{
	sx.StateRunning:   "36",
	sx.StateUploading: "36",
	sx.StateDone:      "32",
	sx.StateFailed:    "31",
	sx.StateExpired:   "33",
}

// reason says why a job failed, or its last attempt did.
func reason(j api.Job) string {
	if j.Error == nil {
		return ""
	}
	return j.Error.Message
}

func progress(j api.Job) string {
	switch j.State {
	case sx.StateUploading, sx.StateRunning, sx.StateDone:
		return fmt.Sprintf("%.0f%%", j.Progress)
	default:
		return "-"
	}
}
