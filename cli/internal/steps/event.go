// Package steps shows how an operation on a cluster goes: on a terminal a line
// for each step and a block with a row for each workload that is painted anew in
// place, elsewhere each change as a line, with --json each event as one.
package steps

import (
	"time"

	"github.com/soundextract/sx/cli/internal/iostreams"
	"github.com/soundextract/sx/install/installer"
)

// Display shows events. Its methods may be called from several goroutines.
type Display interface {
	// Show shows an event.
	Show(e installer.Event)
	// Close leaves what is shown. It has to be called in the end.
	Close()
}

// New makes the display that suits the streams.
func New(streams *iostreams.IOStreams, asJSON bool) Display {
	switch {
	case asJSON:
		return &jsonLines{io: streams}
	case streams.ErrTTY:
		return newLive(streams)
	default:
		return &plain{io: streams, last: map[string]string{}}
	}
}

// DefaultTimeout is how long commands wait for workloads unless told otherwise.
const DefaultTimeout = 10 * time.Minute
