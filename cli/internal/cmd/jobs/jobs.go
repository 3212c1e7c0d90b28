// Package jobs is the command sx jobs.
package jobs

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are what sx jobs works with.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Now    func() time.Time

	States []string
	Name   string
	Limit  int
	After  string
	All    bool
	JSON   bool
}

const defaultLimit = 30

// NewCmd makes the command; run is nil but in tests.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Now: time.Now}
	cmd := &cobra.Command{
		Use:     "jobs",
		Aliases: []string{"ls"},
		Short:   "List jobs, newest first",
		Long: `List your jobs, newest first.

When the output is no terminal, each line holds id, name, state, percent, bytes
and time of creation, separated by tabs and without a header.`,
		Example: `  sx jobs
  sx jobs --state failed --state expired
  sx jobs --name lecture --all --json | jq -r '.[].id'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.check(cmd.Flags().Changed("limit")); err != nil {
				return err
			}
			if run != nil {
				return run(cmd.Context(), opts)
			}
			return jobsRun(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringSliceVar(&opts.States, "state", nil, "only jobs in this `STATE`; may be repeated")
	cmd.Flags().StringVar(&opts.Name, "name", "", "only videos with this `TEXT` in their name")
	cmd.Flags().IntVar(&opts.Limit, "limit", defaultLimit, "show at most `N` jobs")
	cmd.Flags().StringVar(&opts.After, "after", "", "go on after this `MARK`, shown by the page before")
	cmd.Flags().BoolVar(&opts.All, "all", false, "show all jobs")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the jobs as a JSON array")
	// It fails for a flag that is not there only; the line above makes it.
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(stateNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func stateNames() []string {
	var names []string
	for _, s := range sx.States() {
		names = append(names, string(s))
	}
	return names
}

func (o *Options) check(limited bool) error {
	for _, s := range o.States {
		if !slices.Contains(stateNames(), s) {
			return cmdutil.UsageErrorf("there is no state %q", s).
				WithHint("choose among: %s", strings.Join(stateNames(), ", "))
		}
	}
	if o.Limit < 1 {
		return cmdutil.UsageErrorf("--limit wants a number from 1 up")
	}
	if o.All && limited {
		return cmdutil.UsageErrorf("--all and --limit exclude each other")
	}
	return nil
}

func jobsRun(ctx context.Context, opts *Options) error {
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

// fetch collects pages until there are enough jobs. next is the mark of the
// page after them, "" when there is none.
func (o *Options) fetch(ctx context.Context, c *client.Client) (found []api.Job, next string, err error) {
	filter := client.JobFilter{Name: o.Name, After: o.After}
	for _, s := range o.States {
		filter.States = append(filter.States, sx.State(s))
	}
	found = []api.Job{} // JSON's []
	for {
		filter.Limit = api.MaxLimit
		if !o.All {
			filter.Limit = min(filter.Limit, o.Limit-len(found))
		}
		page, err := c.Jobs(ctx, filter)
		if err != nil {
			return nil, "", err
		}
		found = append(found, page.Jobs...)
		if page.Next == "" || !o.All && len(found) >= o.Limit {
			return found, page.Next, nil
		}
		filter.After = page.Next
	}
}
