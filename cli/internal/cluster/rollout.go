package cluster

import (
	"time"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
)

// RolloutDisplay shows events. Its methods may be called from several goroutines.
type RolloutDisplay interface {
	// Show shows an event.
	Show(e installer.Event)
	// Close leaves what is shown. It has to be called in the end.
	Close()
}

// NewRolloutDisplay makes the display that suits the streams.
func NewRolloutDisplay(streams *term.IOStreams, asJSON bool) RolloutDisplay {
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
