// Package transfer transfers files over unreliable networks: it uploads videos,
// follows their jobs and downloads MP3s. It retries what may succeed later, replaces
// stalled connections, and resumes what was interrupted, also by the end of sx.
package transfer

import (
	"sync"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Progress receives the progress of a transfer. Its methods may be called from several
// goroutines.
type Progress interface {
	// Start starts a phase of total bytes, of which done were transferred earlier.
	Start(phase string, done, total int64)
	// Set sets the number of transferred bytes, which may decrease. Sent bytes count
	// once the server has stored them.
	Set(done int64)
	// Percent sets the progress of a phase that is measured in percent; left is the
	// estimated time left, or 0 if unknown.
	Percent(phase string, percent float64, left time.Duration)
	// Say prints a line about the transfer.
	Say(format string, args ...any)
	// Explain prints a line about why something is done, if the user asked for
	// explanations.
	Explain(format string, args ...any)
	WaitReporter
}

// WaitReporter receives the pauses between retries.
type WaitReporter interface {
	// Wait reports a pause until the given time, and its reason.
	Wait(reason string, until time.Time)
}

func sayResumed(progress Progress, have, size int64) {
	progress.Say("resuming at %s of %s (%d%%)", sx.FormatSize(have), sx.FormatSize(size), 100*have/size)
}

// sayWaiting shows that another process does the same work now.
func sayWaiting(progress Progress, why string) {
	progress.Say("%s; waiting until it has finished", why)
	progress.Percent("waiting", 0, 0)
}

// slowRead is how long opening a source may take before it is shown.
const slowRead = 300 * time.Millisecond

// sayReading shows that a file is being read if that takes long. done ends the display.
func sayReading(progress Progress) (done func()) {
	var mu sync.Mutex
	ended := false
	timer := time.AfterFunc(slowRead, func() {
		mu.Lock()
		defer mu.Unlock()
		if !ended {
			progress.Percent("reading", 0, 0)
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		ended = true
	}
}
