package cmdutil

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// completionTimeout bounds how long completion waits for the server.
const completionTimeout = 1500 * time.Millisecond

// CompleteJobs completes the IDs of the user's newest jobs in the given states (none
// means all), each with the job's name and state, and the names of those whose name
// begins with what was typed. It offers nothing if the server
// does not answer in time or nobody is signed in.
func CompleteJobs(f *Factory, states ...sx.State) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		c, err := f.Client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, err := c.Jobs(ctx, client.JobFilter{States: states})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var offers []cobra.Completion
		for _, j := range list.Jobs {
			switch {
			case slices.Contains(args, j.ID) || slices.Contains(args, j.Name):
			case strings.HasPrefix(j.ID, toComplete):
				offers = append(offers, cobra.CompletionWithDesc(j.ID, fmt.Sprintf("%s (%s)", j.Name, j.State)))
			case strings.HasPrefix(j.Name, toComplete):
				offers = append(offers, cobra.CompletionWithDesc(j.Name, string(j.State)))
			}
		}
		return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// EachJob calls fn for the ID of every job once, in order. Each of jobs is an ID or a
// name; see FindJob. EachJob continues after an error that concerns one job, and stops at
// one that would affect the next job too. The result joins all errors, each of which
// names its job; nil if there are none.
func EachJob(ctx context.Context, c *client.Client, jobs []string, fn func(id string) error) error {
	var errs []error
	var done []string
	for _, job := range jobs {
		id, err := FindJob(ctx, c, job)
		if err == nil {
			if slices.Contains(done, id) {
				continue
			}
			done = append(done, id)
			err = fn(id)
		} else {
			id = job
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil || ErrorCode(err).StopsBatch() {
			return errors.Join(append(errs, err)...)
		}
		if !strings.Contains(err.Error(), "job "+id) {
			err = fmt.Errorf("%s: %w", id, err)
		}
		errs = append(errs, &JobError{Job: id, Err: err})
	}
	return errors.Join(errs...)
}

// ChangeJobs changes one job after the other and prints each changed job, as JSON or
// as a line with ID, state and name, separated by tabs if Out is not a terminal. It
// handles names and errors as EachJob does.
func ChangeJobs(ctx context.Context, c *client.Client, io *term.IOStreams, jobs []string, json bool, change func(context.Context, string) (api.Job, error)) error {
	return EachJob(ctx, c, jobs, func(id string) error {
		job, err := change(ctx, id)
		if err != nil {
			return err
		}
		if json {
			return io.WriteJSON(job)
		}
		return io.WriteFields(job.ID, string(job.State), job.Name)
	})
}
