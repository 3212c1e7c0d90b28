// Package watch is the command sx watch.
package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx watch.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Config func() (*config.Config, error)

	IDs  []string // none means all that are not at their end
	JSON bool
}

// NewCmd makes the command; run replaces the command's own run function in tests.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Config: f.Config}
	if run == nil {
		run = runWatch
	}
	cmd := &cobra.Command{
		Use:   "watch [ID...]",
		Short: "Follow jobs to their end",
		Long: `Follow jobs to their end, without an id all that are not at theirs.

Ctrl-C ends the watching; the jobs go on. The exit code is 1 when a job did not
end well. Piped, a line is printed for each change: the job's id, its state, the
percent done and the name.`,
		Example: `  sx watch
  sx watch cv3x5k2tq7na4m6b && sx download cv3x5k2tq7na4m6b
  sx watch --json | jq -r '.state'`,
		ValidArgsFunction: cmdutil.CompleteJobs(f, sx.StateUploading, sx.StateQueued, sx.StateRunning),
	}
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the job as a JSON object after each change")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, id := range args {
			if !slices.Contains(opts.IDs, id) {
				opts.IDs = append(opts.IDs, id)
			}
		}
		return run(cmd.Context(), opts)
	}
	return cmd
}

func runWatch(ctx context.Context, opts *Options) error {
	cfg, err := opts.Config()
	if err != nil {
		return err
	}
	c, err := opts.Client()
	if err != nil {
		return err
	}
	display := term.NewProgressDisplay(opts.IO)
	defer display.Close()
	policy := &transfer.Policy{Timeout: cfg.Patience}
	ids := opts.IDs
	if len(ids) == 0 {
		err := policy.Start(display).Do(ctx, func(ctx context.Context) (err error) {
			ids, err = transfer.UnfinishedJobs(ctx, c)
			return err
		})
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			display.Say("no job is under way")
			return nil
		}
	}
	var s show
	if opts.IO.OutTTY && opts.IO.ErrTTY && !opts.JSON {
		s = newBars(display, ids)
	} else {
		s = &lines{display: display, json: opts.JSON, several: len(ids) > 1, last: map[string]string{}}
	}
	end := &outcome{several: len(ids) > 1}
	w := transfer.Watcher{API: c, Policy: policy}
	err = w.Follow(ctx, ids, transfer.WatchEvents{
		Job: func(job api.Job) {
			s.job(job)
			end.job(job)
		},
		Gone: func(id string) {
			err := sx.NewError(sx.CodeNotFound, "job %s not found", id)
			s.gone(id, err)
			end.bad(err)
		},
		Wait: func(reason string, until time.Time) { s.wait(reason, until) },
	})
	if errors.Is(err, context.Canceled) {
		display.Say("stopped watching; the jobs go on")
	}
	if err != nil {
		return err
	}
	return end.error()
}

// outcome counts what did not end well.
type outcome struct {
	several bool
	failed  int
	first   *sx.Error
}

func (o *outcome) job(job api.Job) {
	if err := ended(job); err != nil {
		o.bad(err)
	}
}

func (o *outcome) bad(err *sx.Error) {
	if o.failed++; o.first == nil {
		o.first = err
	}
}

func (o *outcome) error() error {
	switch {
	case o.first == nil:
		return nil
	case !o.several:
		return o.first
	}
	return sx.NewError(o.first.Code, "%d did not end well, first %s", o.failed, o.first.Message).WithHint("%s", o.first.Hint)
}

// ended is why the job did not end well; nil when it did, or has not ended.
func ended(job api.Job) *sx.Error {
	switch {
	case !job.State.Final() || job.State == sx.StateDone:
		return nil
	case job.Error != nil && job.State == sx.StateFailed:
		// Whatever the reason is, to the person who watches it is this: the
		// reason's own code would say that sx watch was given something wrong.
		return sx.NewError(sx.CodeConversionFailed, "%s: %s", job.Name, job.Error.Message).WithHint("%s", job.Error.Hint)
	default:
		return sx.NewError(sx.CodeConversionFailed, "%s: the job is %s", job.Name, job.State).
			WithHint("look at it with: sx show %s", job.ID)
	}
}

// percent is how far the job is, for a line of text.
func percent(job api.Job) string { return fmt.Sprintf("%d %%", int(job.Progress)) }
