package installer

import (
	"fmt"
	"time"

	"github.com/soundextract/sx/install/watch"
)

// Event is an event of an operation.
type Event struct {
	Step   string     `json:"step,omitempty"`   // a few words
	State  EventState `json:"state"`            // of the step
	Detail string     `json:"detail,omitempty"` // one line
	Row    *watch.Row `json:"row,omitempty"`    // of the state row: the workload that changed
	Log    []string   `json:"log,omitempty"`    // of the state failed: the last lines of the failed container
	Time   time.Time  `json:"time"`
}

// EventState is the state of a step.
type EventState string

// The states of events.
const (
	Started EventState = "start"
	Done    EventState = "done"
	Failed  EventState = "failed"
	Warning EventState = "warning"
	Changed EventState = "row"
)

func (in *Installer) report(e Event) {
	if in.Report != nil {
		e.Time = in.Now().UTC()
		in.Report(e)
	}
}

// step runs a step of an operation and reports its start and its end, with the detail
// that do returns.
func (in *Installer) step(name string, do func() (detail string, err error)) error {
	return in.longStep(name, "", do)
}

// longStep is a step that says at its beginning what it waits for; "" is nothing.
func (in *Installer) longStep(name, waits string, do func() (detail string, err error)) error {
	in.report(Event{Step: name, State: Started, Detail: waits})
	detail, err := do()
	if err != nil {
		in.report(Event{Step: name, State: Failed, Log: logOf(err)})
		return err
	}
	in.report(Event{Step: name, State: Done, Detail: detail})
	return nil
}

func (in *Installer) warn(format string, args ...any) {
	in.report(Event{State: Warning, Detail: fmt.Sprintf(format, args...)})
}
