// Package watch is the command sx watch.
package watch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx watch.
type Options struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)
	Config func() (*config.Config, error)
	Flags  func() nextcmd.Flags

	IDs  []string // none means all unfinished jobs
	JSON bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Client: f.Client, Config: f.Config, Flags: f.Repeated}
	if run == nil {
		run = runWatch
	}
	cmd := &cobra.Command{
		Use:   "watch [JOB...]",
		Short: "Follow jobs until they end",
		Long: `Follow jobs until they end. Without jobs, follow all unfinished jobs.

Ctrl-C stops watching; the jobs continue. The exit code is 1 if a job fails. If
the output is not a terminal, each change is a line with the job's ID, state,
progress in percent and name, separated by tabs.`,
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
	policy := &transfer.Policy{Timeout: cfg.RetryTimeout}
	ids, err := opts.find(ctx, c, policy, display)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		err := policy.Start(display).Do(ctx, func(ctx context.Context) (err error) {
			ids, err = transfer.UnfinishedJobs(ctx, c)
			return err
		})
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			display.Say("no unfinished jobs")
			return nil
		}
	}
	var s show
	if opts.IO.OutTTY && opts.IO.ErrTTY && !opts.JSON {
		s = newBars(display, ids, opts.Flags())
	} else {
		s = &lines{display: display, json: opts.JSON, several: len(ids) > 1, last: map[string]string{}, shown: map[string]api.Job{}}
	}
	end := &outcome{several: len(ids) > 1, flags: opts.Flags()}
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
	display.DropUnfinished() // the jobs continue, or the error reports the only one
	if err != nil {
		return err
	}
	return cmp.Or(end.error(), s.failed())
}

// find returns the IDs of the jobs that were given.
func (opts *Options) find(ctx context.Context, c *client.Client, policy *transfer.Policy, display *term.ProgressDisplay) (ids []string, err error) {
	for _, job := range opts.IDs {
		id := ""
		err := policy.Start(display).Do(ctx, func(ctx context.Context) (err error) {
			id, err = cmdutil.FindJob(ctx, c, job)
			return err
		})
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// outcome counts the jobs that failed or were not found.
type outcome struct {
	several bool
	flags   nextcmd.Flags
	failed  int
	first   *sx.Error
	// cancelled jobs did not fail, but ended without an MP3.
	cancelled int
}

func (o *outcome) job(job api.Job) {
	err := failure(job, o.flags)
	switch {
	case err == nil:
	case job.State == sx.StateCancelled && o.several:
		o.cancelled++
	default:
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
	case o.first == nil && o.cancelled == 1:
		return sx.NewError(sx.CodeConversionFailed, "1 job was cancelled").WithHint("see: %s", o.flags.SX("jobs", "--state", string(sx.StateCancelled)))
	case o.first == nil && o.cancelled > 1:
		return sx.NewError(sx.CodeConversionFailed, "%d jobs were cancelled", o.cancelled).WithHint("see: %s", o.flags.SX("jobs", "--state", string(sx.StateCancelled)))
	case o.first == nil:
		return nil
	case !o.several:
		return o.first
	case o.failed == 1:
		return o.first.WithMessage("1 job failed: %s", o.first.Message)
	}
	return o.first.WithMessage("%d jobs failed; the first: %s", o.failed, o.first.Message)
}

// failure returns the error of a job that ended without success, or nil. The command
// in its hint repeats the flags.
func failure(job api.Job, flags nextcmd.Flags) *sx.Error {
	switch {
	case !job.State.Final() || job.State == sx.StateDone:
		return nil
	case job.Error != nil && job.State == sx.StateFailed:
		// Not the job's own code: its exit code would mean that the arguments of
		// sx watch are wrong.
		return sx.NewError(sx.CodeConversionFailed, "%s: %s", job.Name, job.Error.Message).
			WithHint("%s", cmdutil.Hint(job.Error.Code, job.Error.Hint, job.ID, flags))
	default:
		return sx.NewError(sx.CodeConversionFailed, "%s: the job is %s", job.Name, job.State).
			WithHint("see: %s", flags.SX("show", job.ID))
	}
}

// percent formats the job's progress.
func percent(job api.Job) string { return fmt.Sprintf("%d%%", int(job.Progress)) }
