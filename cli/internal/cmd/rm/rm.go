// Package rm is the command sx rm.
package rm

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx rm.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Now    func() time.Time

	IDs []string
	// The other jobs to remove are those that match all of these.
	States    []string
	Labels    []string
	OlderThan cmdutil.Lifetime

	DryRun bool
	Yes    bool
	JSON   bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Now: time.Now}
	if run == nil {
		run = runRm
	}
	cmd := &cobra.Command{
		Use:   "rm {JOB... | --older-than TIME | --state STATE | --label LABEL}",
		Short: "Remove jobs, videos and MP3s",
		Long: `Remove jobs from the server with their videos and MP3s. Jobs are given by ID, or
by file name if only one job has it. With flags instead, all matching jobs are
removed; without --state, only those that have ended. Unfinished jobs are
cancelled first. Downloaded MP3s are kept.

Asks for confirmation; if it cannot ask, --yes is required.`,
		Example: `  sx rm talk.mp4
  sx rm --older-than 30d --dry-run
  sx rm --state failed --label acoustics --yes`,
		Args:              cmdutil.UsageArgs(cobra.ArbitraryArgs),
		ValidArgsFunction: cmdutil.CompleteJobs(f),
	}
	flags := cmd.Flags()
	flags.Var(&opts.OlderThan, "older-than", "jobs created more than this `TIME` ago, such as 30d or 12h")
	flags.StringSliceVar(&opts.States, "state", nil, "jobs in this `STATE`; can be repeated")
	flags.StringArrayVar(&opts.Labels, "label", nil, "jobs with this `LABEL`; can be repeated")
	cmdutil.AddDryRunFlag(cmd, &opts.DryRun)
	flags.BoolVarP(&opts.Yes, "yes", "y", false, "do not ask for confirmation")
	flags.BoolVar(&opts.JSON, "json", false, "print each removed job as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts.IDs = args
		if err := opts.check(); err != nil {
			return err
		}
		return run(cmd.Context(), opts)
	}
	// Fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(cmdutil.StateNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("older-than", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("label", cmdutil.CompleteLabels(f))
	return cmd
}

// selects reports whether jobs are selected by flags.
func (opts *Options) selects() bool {
	return opts.OlderThan > 0 || len(opts.States)+len(opts.Labels) > 0
}

func (opts *Options) check() error {
	switch {
	case len(opts.IDs) > 0 && opts.selects():
		return cmdutil.UsageErrorf("give either jobs or --older-than, --state and --label")
	case len(opts.IDs) == 0 && !opts.selects():
		return cmdutil.UsageErrorf("job required").WithHint("give an ID, a file name, --older-than, --state or --label")
	}
	return cmdutil.CheckStates(opts.States)
}

func runRm(ctx context.Context, opts *Options) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	jobs := opts.IDs
	if opts.selects() {
		if jobs, err = opts.matching(ctx, c); err != nil {
			return err
		}
		if len(jobs) == 0 {
			_, _ = fmt.Fprintln(opts.IO.ErrOut, "no matching jobs")
			return nil
		}
	}
	if opts.DryRun {
		return opts.show(ctx, c, jobs)
	}
	if !opts.Yes {
		if !opts.IO.InTTY {
			return cmdutil.UsageErrorf("removing %s requires --yes if sx cannot ask for confirmation", count(len(jobs))).
				WithHint("add --yes, or see what would be removed with --dry-run")
		}
		sure, err := term.Confirm(ctx, opts.IO, question(jobs))
		if err != nil {
			return err
		}
		if !sure {
			_, _ = fmt.Fprintln(opts.IO.ErrOut, "nothing was removed")
			return nil
		}
	}
	return cmdutil.EachJob(ctx, c, jobs, func(id string) error {
		if err := c.Remove(ctx, id); err != nil {
			return err
		}
		if opts.JSON {
			return opts.IO.WriteJSON(struct {
				ID      string `json:"id"`
				Removed bool   `json:"removed"`
			}{id, true})
		}
		return opts.IO.WriteFields(id, "removed")
	})
}

// show prints what would be removed.
func (opts *Options) show(ctx context.Context, c *client.Client, jobs []string) error {
	return cmdutil.EachJob(ctx, c, jobs, func(id string) error {
		job, err := c.Job(ctx, id)
		if err != nil {
			return err
		}
		if opts.JSON {
			return opts.IO.WriteJSON(struct {
				ID      string `json:"id"`
				Name    string `json:"name"`
				Removed bool   `json:"removed"`
			}{id, job.Name, false})
		}
		return opts.IO.WriteFields(id, "would be removed", job.Name)
	})
}

// matching returns the IDs of the jobs that the flags select, the newest first.
func (opts *Options) matching(ctx context.Context, c *client.Client) (ids []string, err error) {
	filter := client.JobFilter{Labels: opts.Labels}
	for _, s := range sx.States() {
		if slices.Contains(opts.States, string(s)) || len(opts.States) == 0 && s.Final() {
			filter.States = append(filter.States, s)
		}
	}
	found, _, err := cmdutil.Pages("", 0, func(after string, limit int) ([]api.Job, string, error) {
		filter.After, filter.Limit = after, limit
		page, err := c.Jobs(ctx, filter)
		return page.Jobs, page.Next, err
	})
	latest := opts.Now().Add(-time.Duration(opts.OlderThan))
	for _, j := range found {
		if j.Created.Before(latest) {
			ids = append(ids, j.ID)
		}
	}
	return ids, err
}

func question(jobs []string) string {
	if len(jobs) == 1 {
		return fmt.Sprintf("Remove job %s with its video and MP3?", jobs[0])
	}
	return fmt.Sprintf("Remove %s with their videos and MP3s?", count(len(jobs)))
}

func count(jobs int) string {
	if jobs == 1 {
		return "1 job"
	}
	return fmt.Sprintf("%d jobs", jobs)
}
