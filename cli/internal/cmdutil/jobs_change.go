package cmdutil

import (
	"context"
	"fmt"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
)

// ChangeJobs changes one job after the other and prints each as it then is, as JSON
// or as a line with id, state and name. Errors are handled as EachJob does.
func ChangeJobs(ctx context.Context, io *term.IOStreams, ids []string, json bool, change func(context.Context, string) (api.Job, error)) error {
	return EachJob(ctx, ids, func(id string) error {
		job, err := change(ctx, id)
		if err != nil {
			return err
		}
		if json {
			return io.WriteJSON(job)
		}
		if _, err := fmt.Fprintf(io.Out, "%s  %s  %s\n", job.ID, job.State, job.Name); err != nil {
			return fmt.Errorf("print the job: %w", err)
		}
		return nil
	})
}
