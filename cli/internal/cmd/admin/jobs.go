package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

type jobsOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Next   func(args ...string) string
	Now    func() time.Time

	States    []string
	Owner     string
	Error     string
	Name      string
	Since     cmdutil.Lifetime // 0 is all
	OlderThan cmdutil.Lifetime // 0 is all
	JSON      bool
	cmdutil.Page
}

func newCmdJobs(f *cmdutil.Factory, run func(context.Context, *jobsOptions) error) *cobra.Command {
	opts := &jobsOptions{IO: f.IO, Client: f.Client, Next: f.Next, Now: time.Now}
	if run == nil {
		run = runAdminJobs
	}
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List the jobs of all accounts",
		Long: `List the jobs of all accounts, newest first: by state, owner, age or error.

If the output is not a terminal, each line has the ID, owner, state, creation
time, attempt, converter, error code, name and error, separated by tabs, with no
header.`,
		Example: `  sx admin jobs --state failed --since 1d
  sx admin jobs --owner anna --state queued --older-than 2h
  sx admin jobs --error out_of_memory --json | jq -r '.[].job.id'`,
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
	cmd.Flags().StringVar(&opts.Owner, "owner", "", "only jobs of the account `NAME`")
	cmd.Flags().StringVar(&opts.Error, "error", "", "only jobs with this error `CODE`, such as no_audio")
	cmd.Flags().StringVar(&opts.Name, "name", "", "only videos whose name contains `TEXT`")
	cmd.Flags().Var(&opts.Since, "since", "only jobs that are at most `TIME` old, such as 30d or 12h")
	cmd.Flags().Var(&opts.OlderThan, "older-than", "only jobs that are more than `TIME` old, such as 2h")
	cmdutil.AddPageFlags(cmd, &opts.Page, "jobs", defaultLimit, "start after this `CURSOR`, printed by the previous page")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the jobs as a JSON array")
	// Fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(cmdutil.StateNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("owner", cmdutil.CompleteUsers(f, cmdutil.AnyUser))
	_ = cmd.RegisterFlagCompletionFunc("error", cobra.FixedCompletions(codeNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// codeNames are the codes of errors that end conversions.
func codeNames() []string {
	var names []string
	for _, c := range sx.Codes() {
		if c.Permanent() || slices.Contains([]sx.Code{sx.CodeConversionFailed, sx.CodeOutOfMemory, sx.CodeWorkerLost, sx.CodeQuotaExceeded}, c) {
			names = append(names, string(c))
		}
	}
	return names
}

func runAdminJobs(ctx context.Context, opts *jobsOptions) error {
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
	if len(found) == 0 {
		_, _ = fmt.Fprintln(opts.IO.ErrOut, "no matching jobs")
		return nil
	}
	rows := make([][]term.Cell, len(found))
	for i, j := range found {
		rows[i] = opts.row(j)
	}
	if err := term.PrintTable(opts.IO, []term.Column{
		{Header: "ID"},
		{Header: "OWNER", Shrink: true},
		{Header: "STATE"},
		{Header: "AGE", Right: true},
		{Header: "ATTEMPT", Right: true, Optional: true},
		{Header: "CONVERTER", Shrink: true, Min: 12, Optional: true},
		{Header: "ERROR", Optional: true},
		{Header: "NAME", Shrink: true, Min: 10, Optional: true},
		{Header: "REASON", Shrink: true, Min: 24, Optional: true},
	}, rows); err != nil {
		return err
	}
	cmdutil.PrintMore(opts.IO.ErrOut, "jobs", next)
	return nil
}

func (opts *jobsOptions) row(j api.AdminJob) []term.Cell {
	code, message := "", ""
	if j.Job.Error != nil {
		code, message = string(j.Job.Error.Code), j.Job.Error.Message
	}
	return []term.Cell{
		term.TextCell(j.Job.ID),
		term.TextCell(ownerName(j.Owner)),
		{Text: string(j.Job.State), Color: cmdutil.StateColor(j.Job.State)},
		{Text: term.FormatAge(opts.Now().Sub(j.Job.Created)), Full: j.Job.Created.UTC().Format(time.RFC3339)},
		term.TextCell(strconv.Itoa(j.Job.Attempt)),
		term.TextCell(converterOf(j.Job)),
		term.TextCell(code),
		term.TextCell(j.Job.Name),
		term.TextCell(message),
	}
}

// ownerName returns the name of an account, or the ID of one that was deleted.
func ownerName(o api.Owner) string { return cmp.Or(o.Name, o.ID) }

// converterOf returns the host of the last attempt's converter.
func converterOf(j api.Job) string {
	if j.History == nil || len(j.History.Attempts) == 0 {
		return ""
	}
	return j.History.Attempts[len(j.History.Attempts)-1].Host
}

// fetch returns the selected jobs and the cursor of the next page.
func (opts *jobsOptions) fetch(ctx context.Context, c *client.Client) (found []api.AdminJob, next string, err error) {
	filter := client.AdminJobFilter{Owner: strings.TrimSpace(opts.Owner), Code: sx.Code(opts.Error), Name: opts.Name}
	for _, s := range opts.States {
		filter.States = append(filter.States, sx.State(s))
	}
	now := opts.Now()
	if opts.Since != 0 {
		filter.Since = now.Add(-time.Duration(opts.Since))
	}
	if opts.OlderThan != 0 {
		filter.Before = now.Add(-time.Duration(opts.OlderThan))
	}
	return cmdutil.FetchPage(opts.Page, api.MaxAdminLimit, func(after string, limit int) ([]api.AdminJob, string, error) {
		filter.After, filter.Limit = after, limit
		page, err := c.AdminJobs(ctx, filter)
		return page.Jobs, page.Next, err
	})
}
