package cluster

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/watch"
)

// RolloutDisplay shows events. Its methods may be called from several goroutines.
type RolloutDisplay interface {
	// Show displays an event.
	Show(e installer.Event)
	// Close ends the display, which stays on the screen. It must be called.
	Close()
}

// NewRolloutDisplay returns the display that suits the streams.
func NewRolloutDisplay(streams *term.IOStreams, asJSON bool) RolloutDisplay {
	switch {
	case asJSON:
		return &jsonLines{io: streams}
	case streams.ErrTTY:
		return newLive(streams)
	default:
		return &plain{io: streams, last: map[string]watch.Row{}}
	}
}

// DefaultTimeout is how long commands wait for workloads by default.
const DefaultTimeout = 10 * time.Minute

// jsonLines prints each event to Out as a line of JSON.
type jsonLines struct {
	io *term.IOStreams
	mu sync.Mutex
}

func (j *jsonLines) Show(e installer.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.io.WriteJSON(e) // a closed pipe does not stop the operation
}

func (j *jsonLines) Close() {}

// plain prints changes to ErrOut.
type plain struct {
	io   *term.IOStreams
	mu   sync.Mutex
	last map[string]watch.Row // printed for each workload
}

func (p *plain) Show(e installer.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.State {
	case installer.Started:
		return // the end of the step says enough
	case installer.Changed:
		if e.Row == nil || !noteworthy(p.last[key(*e.Row)], *e.Row) {
			return
		}
		p.last[key(*e.Row)] = *e.Row
		_, _ = fmt.Fprintln(p.io.ErrOut, rowText(*e.Row))
	default:
		_, _ = fmt.Fprintln(p.io.ErrOut, line(e, false))
	}
}

func (p *plain) Close() {}

// noteworthy reports whether a row is worth another line: not if only the details of the
// reason have changed, or if the pods are ready and the workload is about to be.
func noteworthy(last, r watch.Row) bool {
	if r.State == watch.StateStarting && r.Ready == r.Desired {
		return false
	}
	kind := func(reason string) string {
		before, _, _ := strings.Cut(reason, ": ")
		return before
	}
	return r.State != last.State || r.Ready != last.Ready || kind(r.Reason) != kind(last.Reason)
}

func key(r watch.Row) string { return r.Kind + "/" + r.Name }

// rowText describes a workload in one line.
func rowText(r watch.Row) string {
	text := fmt.Sprintf("%s: %d/%d %s", r.Name, r.Ready, r.Desired, r.State)
	if r.Reason != "" && r.State != watch.StateReady {
		text += ": " + r.Reason
	}
	return text
}

// line describes the end of a step in one line, followed by the log that explains it.
func line(e installer.Event, color bool) string {
	sign, sgr := "✓", "32"
	switch e.State {
	case installer.Failed:
		sign, sgr = "✗", "31"
	case installer.Warning:
		sign, sgr = "!", "33"
	}
	if color {
		sign = "\x1b[" + sgr + "m" + sign + "\x1b[0m"
	}
	text := e.Step
	switch {
	case text == "":
		text = e.Detail
	case e.Detail != "":
		text += ": " + e.Detail
	}
	for _, l := range e.Log {
		text += "\n    | " + l
	}
	return sign + " " + text
}
