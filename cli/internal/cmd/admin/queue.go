package admin

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

type queueOptions struct {
	IO     *term.IOStreams
	Client func() (*client.Client, error)

	Watch bool
	JSON  bool

	every time.Duration // between two requests of --watch
}

// watchInterval is the time between two requests of --watch.
const watchInterval = 2 * time.Second

func newCmdQueue(f *cmdutil.Factory, run func(context.Context, *queueOptions) error) *cobra.Command {
	opts := &queueOptions{IO: f.IO, Client: f.Client, every: watchInterval}
	if run == nil {
		run = runQueue
	}
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Show what is running and what is waiting, and for how long",
		Long: fmt.Sprintf(`Show how many jobs of all accounts are being uploaded, waiting and running, and
which %d have been running and waiting longest. --watch keeps showing it.

If the output is not a terminal, each line has the state, ID, owner, when it
began to run or wait, attempt, converter, progress in percent and name,
separated by tabs, with no header.`, api.MaxQueueJobs),
		Example: `  sx admin queue
  sx admin queue --watch
  sx admin queue --json | jq '.states'`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.Watch && !opts.JSON && !opts.IO.OutTTY {
				return cmdutil.UsageErrorf("--watch needs a terminal, or --json")
			}
			return run(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.Watch, "watch", "w", false, "keep showing the queue until Ctrl-C")
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the queue as JSON; with --watch, once for each change")
	return cmd
}

func runQueue(ctx context.Context, opts *queueOptions) error {
	c, err := opts.Client()
	if err != nil {
		return err
	}
	if opts.Watch {
		return opts.watch(ctx, c)
	}
	q, err := c.Queue(ctx)
	if err != nil {
		return err
	}
	switch {
	case opts.JSON:
		return opts.IO.WriteJSON(q)
	case opts.IO.OutTTY:
		_, err = fmt.Fprint(opts.IO.Out, opts.page(q))
	default:
		_, err = fmt.Fprint(opts.IO.Out, opts.rows(q))
	}
	if err != nil {
		return fmt.Errorf("print the queue: %w", err)
	}
	return nil
}

// watch shows the queue until ctx ends. While the server does not respond, it says so below
// what it showed last.
func (opts *queueOptions) watch(ctx context.Context, c *client.Client) error {
	var screen term.Screen
	defer screen.Leave(opts.IO.Out)
	shown := ""
	var printed api.WorkQueue // as JSON, without its time
	for {
		q, err := c.Queue(ctx)
		trouble := ""
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !sx.CodeOf(err).Retryable():
			return err
		case err != nil:
			trouble = "\nno response: " + err.Error() + "; trying again\n"
		case opts.JSON:
			now := q
			now.Time = time.Time{}
			if reflect.DeepEqual(now, printed) {
				break
			}
			printed = now
			if err := opts.IO.WriteJSON(q); err != nil {
				return err
			}
		default:
			shown = opts.page(q)
		}
		if !opts.JSON {
			width, height := opts.IO.Size()
			lines := strings.Split(strings.TrimRight(shown+trouble, "\n"), "\n")
			screen.Paint(opts.IO.Out, lines[:min(len(lines), max(height-1, 1))], width)
		}
		if err := backoff.Sleep(ctx, opts.every); err != nil {
			return err
		}
	}
}

// stateName returns the name of a state for people.
func stateName(s sx.State) string {
	if s == sx.StateQueued {
		return "waiting"
	}
	return string(s)
}

// page returns the queue for a terminal.
func (opts *queueOptions) page(q api.WorkQueue) string {
	var b strings.Builder
	states := make([][]term.Cell, len(q.States))
	for i, s := range q.States {
		oldest := ""
		if s.Oldest != nil {
			oldest = term.FormatAge(q.Time.Sub(*s.Oldest))
		}
		states[i] = []term.Cell{{Text: stateName(s.State), Color: cmdutil.StateColor(s.State)}, term.TextCell(strconv.Itoa(s.Jobs)), term.TextCell(oldest)}
	}
	b.WriteString(term.FormatTable(opts.IO, []term.Column{{Header: "STATE"}, {Header: "JOBS", Right: true}, {Header: "OLDEST", Right: true}}, states))
	for _, m := range q.Messages {
		if m.DeadLetters > 0 {
			_, _ = fmt.Fprintf(&b, "dead letters in the queue %s: %d\n", m.Queue, m.DeadLetters)
		}
	}
	for _, list := range []struct {
		state sx.State
		since string
		jobs  []api.AdminJob
	}{{sx.StateRunning, "RUNNING", q.Running}, {sx.StateQueued, "WAITING", q.Waiting}} {
		if len(list.jobs) == 0 {
			continue
		}
		rows := make([][]term.Cell, len(list.jobs))
		for i, j := range list.jobs {
			rows[i] = []term.Cell{
				term.TextCell(j.Job.ID),
				term.TextCell(ownerName(j.Owner)),
				term.TextCell(term.FormatAge(q.Time.Sub(since(j.Job)))),
				term.TextCell(term.FormatPercent(j.Job.Progress)),
				term.TextCell(strconv.Itoa(j.Job.Attempt)),
				term.TextCell(converterOf(j.Job)),
				term.TextCell(j.Job.Name),
			}
			if list.state == sx.StateQueued {
				rows[i][3].Text = sx.FormatSize(j.Job.Sent.Size)
			}
		}
		progress := "DONE"
		if list.state == sx.StateQueued {
			progress = "SIZE"
		}
		b.WriteString("\n" + term.FormatTable(opts.IO, []term.Column{
			{Header: list.since},
			{Header: "OWNER", Shrink: true},
			{Header: "FOR", Right: true},
			{Header: progress, Right: true},
			{Header: "ATTEMPT", Right: true, Optional: true},
			{Header: "CONVERTER", Shrink: true, Min: 12, Optional: true},
			{Header: "NAME", Shrink: true, Min: 10, Optional: true},
		}, rows))
	}
	return b.String()
}

// rows returns the jobs for programs.
func (opts *queueOptions) rows(q api.WorkQueue) string {
	var rows [][]term.Cell
	for _, list := range [][]api.AdminJob{q.Running, q.Waiting} {
		for _, j := range list {
			rows = append(rows, []term.Cell{
				term.TextCell(string(j.Job.State)),
				term.TextCell(j.Job.ID),
				term.TextCell(ownerName(j.Owner)),
				term.TextCell(since(j.Job).UTC().Format(time.RFC3339)),
				term.TextCell(strconv.Itoa(j.Job.Attempt)),
				term.TextCell(converterOf(j.Job)),
				term.TextCell(strconv.FormatFloat(j.Job.Progress, 'f', 1, 64)),
				term.TextCell(j.Job.Name),
			})
		}
	}
	return term.FormatTable(opts.IO, make([]term.Column, 8), rows)
}

// since returns since when a job is running or waiting.
func since(j api.Job) time.Time {
	switch h := j.History; {
	case h == nil:
		return j.Updated
	case j.State == sx.StateRunning && len(h.Attempts) > 0:
		return h.Attempts[len(h.Attempts)-1].Started
	case h.Queued != nil:
		return *h.Queued
	default:
		return j.Created
	}
}
