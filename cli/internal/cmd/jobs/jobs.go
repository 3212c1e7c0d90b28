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
	JSON   bool
	cmdutil.Page
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
percent, size in bytes, creation time, why the job failed, and when it will be
deleted, separated by tabs, with no header.`,
		Example: `  sx jobs
  sx jobs --state failed --label acoustics
  sx jobs --name lecture --all --json | jq -r '.[].id'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmdutil.CheckStates(opts.States); err != nil {
				return err
			}
			if err := opts.Check(cmd); err != nil {
				return err
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringSliceVar(&opts.States, "state", nil, "only jobs in this `STATE`; can be repeated")
	cmd.Flags().StringVar(&opts.Name, "name", "", "only videos whose name contains `TEXT`")
	cmd.Flags().StringArrayVar(&opts.Labels, "label", nil, "only jobs with this `LABEL`; can be repeated")
	cmdutil.AddPageFlags(cmd, &opts.Page, "jobs", defaultLimit, "start after this `CURSOR`, printed by the previous page")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the jobs as a JSON array")
	// Fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(cmdutil.StateNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("label", cmdutil.CompleteLabels(f))
	return cmd
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
	return cmdutil.FetchPage(opts.Page, api.MaxLimit, func(after string, limit int) ([]api.Job, string, error) {
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
		{Header: "NAME", Shrink: true, Min: 10},
		{Header: "STATE"},
		{Right: true, Optional: true}, // the progress
		{Header: "SIZE", Right: true, Optional: true},
		{Header: "AGE", Right: true, Optional: true},
		// The first that a narrow terminal shortens, then leaves out.
		{Header: "REASON", Shrink: true, Min: 14, Optional: true},
		{Header: "KEPT UNTIL", Optional: true},
	}
	rows := make([][]term.Cell, len(found))
	for i, j := range found {
		rows[i] = []term.Cell{
			term.TextCell(j.ID),
			term.TextCell(j.Name),
			{Text: string(j.State), Color: cmdutil.StateColor(j.State)},
			{Text: progress(j), Full: strconv.FormatFloat(j.Progress, 'f', 1, 64)},
			{Text: sx.FormatSize(j.Sent.Size), Full: strconv.FormatInt(j.Sent.Size, 10)},
			{Text: term.FormatAge(opts.Now().Sub(j.Created)), Full: j.Created.UTC().Format(time.RFC3339)},
			term.TextCell(reason(j)),
			keptUntil(j),
		}
	}
	if opts.IO.OutTTY {
		columns, rows = leaveOutEmpty(columns, opts.makeRoom(rows))
	}
	if err := term.PrintTable(opts.IO, columns, rows); err != nil {
		return err
	}
	cmdutil.PrintMore(opts.IO.ErrOut, "jobs", next)
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

// reason says why a job failed, or its last attempt did.
func reason(j api.Job) string {
	if j.Error == nil {
		return ""
	}
	return j.Error.Message
}

// keptUntil says when the job will be deleted, if that is planned.
func keptUntil(j api.Job) term.Cell {
	if j.DeleteAt == nil {
		return term.Cell{}
	}
	return term.DateCell(*j.DeleteAt)
}

// roomForAll is the width of a terminal, in columns, that has room for both the reasons
// and the times of deletion.
const roomForAll = 100

// makeRoom empties the last column where the reasons need its room.
func (opts *Options) makeRoom(rows [][]term.Cell) [][]term.Cell {
	width, _ := opts.IO.Size()
	reasons := func(row []term.Cell) bool { return row[len(row)-2].Text != "" }
	if width < roomForAll && slices.ContainsFunc(rows, reasons) {
		for _, row := range rows {
			row[len(row)-1] = term.Cell{}
		}
	}
	return rows
}

// progress returns the progress of an upload or a conversion.
func progress(j api.Job) string {
	if j.State == sx.StateUploading || j.State == sx.StateRunning {
		return term.FormatPercent(j.Progress)
	}
	return ""
}

// leaveOutEmpty leaves out the columns in which every cell is empty.
func leaveOutEmpty(columns []term.Column, rows [][]term.Cell) ([]term.Column, [][]term.Cell) {
	for c := len(columns) - 1; c >= 0; c-- {
		if slices.ContainsFunc(rows, func(row []term.Cell) bool { return row[c].Text != "" }) {
			continue
		}
		columns = slices.Delete(columns, c, c+1)
		for r := range rows {
			rows[r] = slices.Delete(rows[r], c, c+1)
		}
	}
	return columns, rows
}
