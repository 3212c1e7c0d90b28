package cmdutil

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

// EachJob calls fn for the ID of every job once, in order. Each of jobs is an ID or a
// name; see FindJob. EachJob continues after an error that concerns one job, and stops at
// one that would affect the next job too. The result joins all errors, each of which
// names its job; nil if there are none.
func EachJob(ctx context.Context, c *client.Client, jobs []string, fn func(id string) error) error {
	var errs []error
	var done []string
	for _, job := range jobs {
		id, findErr := FindJob(ctx, c, job)
		if slices.Contains(done, id) {
			continue
		}
		err := findErr
		if err == nil {
			done = append(done, id)
			err = fn(id)
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil || ErrorCode(err).StopsBatch() {
			return errors.Join(append(errs, err)...)
		}
		if findErr == nil && !strings.Contains(err.Error(), "job "+id) {
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
