package watch

import (
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// show displays jobs. Its methods are not called concurrently.
type show interface {
	job(job api.Job)
	gone(id string, err error)
	wait(reason string, until time.Time)
	failed() error // why not everything was shown
}

// bars shows a bar for each job.
type bars struct {
	display *term.ProgressDisplay
	flags   nextcmd.Flags
	byID    map[string]*term.ProgressBar
}

func newBars(display *term.ProgressDisplay, ids []string, flags nextcmd.Flags) *bars {
	b := &bars{display: display, flags: flags, byID: map[string]*term.ProgressBar{}}
	for _, id := range ids {
		b.byID[id] = display.Add(id, 0, "converting")
	}
	return b
}

func (b *bars) job(job api.Job) {
	bar := b.byID[job.ID]
	bar.Rename(job.Name)
	switch err := failure(job, b.flags); {
	case job.State == sx.StateCancelled:
		if len(b.byID) > 1 { // the command's error reports a single one
			bar.Cancelled()
		}
	case err != nil:
		b.fail(bar, err)
	case job.State == sx.StateDone:
		bar.Done("done")
		transfer.SayWarnings(bar, job)
	default:
		transfer.ShowJob(bar, job)
	}
}

func (b *bars) gone(id string, err error) { b.fail(b.byID[id], err) }

// fail reports one job of several; the command's error reports a single one.
func (b *bars) fail(bar *term.ProgressBar, err error) {
	bar.Fail(err, "", false)
	if len(b.byID) > 1 {
		b.display.Say(err.Error() + "\n  " + cmdutil.HintOf(err, b.flags))
	}
}

func (*bars) failed() error { return nil }

func (b *bars) wait(reason string, until time.Time) {
	for _, bar := range b.byID {
		bar.Wait(reason, until)
	}
}

// lines prints a line for each change.
type lines struct {
	display *term.ProgressDisplay
	json    bool
	several bool
	err     error              // the first of printing JSON
	last    map[string]string  // the line last printed of a job
	shown   map[string]api.Job // last printed as JSON
}

func (l *lines) job(job api.Job) {
	if l.json {
		if !reflect.DeepEqual(l.shown[job.ID], job) {
			l.shown[job.ID] = job
			if err := l.display.WriteJSON(job); l.err == nil {
				l.err = err
			}
		}
		return
	}
	line := fmt.Sprintf("%s\t%s\t%s\t%s\n", job.ID, job.State, percent(job), job.Name)
	if l.last[job.ID] != line {
		l.last[job.ID] = line
		_, _ = io.WriteString(l.display.Out(), line) // the exit code still reports the outcome
		for _, w := range job.Warnings {
			l.display.Say(fmt.Sprintf("%s: warning: %s", job.Name, w.Message))
		}
	}
}

// gone reports one job of several; the command's error reports a single one.
func (l *lines) gone(_ string, err error) {
	if l.several {
		l.display.Say(err.Error())
	}
}

func (l *lines) failed() error { return l.err }

func (l *lines) wait(reason string, until time.Time) { l.display.Wait(reason, until) }
