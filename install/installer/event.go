package installer

import (
	"fmt"
	"time"

	"github.com/soundextract/sx/install/watch"
)

// Event is something that happened in an operation.
type Event struct {
	Step   string     `json:"step,omitempty"`   // what is being done, in a few words
	State  EventState `json:"state"`            // how far it is
	Detail string     `json:"detail,omitempty"` // one line
	Row    *watch.Row `json:"row,omitempty"`    // of the state row: the workload that changed
	Log    []string   `json:"log,omitempty"`    // of the state failed: the last lines of the container at fault
	Time   time.Time  `json:"time"`
}

// EventState says how far a step is.
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

// step does one step of an operation and reports how it goes. What do gives is
// the detail of its end.
func (in *Installer) step(name string, do func() (detail string, err error)) error {
	in.report(Event{Step: name, State: Started})
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
