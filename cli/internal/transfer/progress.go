// Package transfer moves files between this machine and the server over bad
// networks: it uploads videos, follows their jobs and downloads MP3s. It retries
// what may succeed later, notices connections on which nothing moves, and
// continues where it, or an earlier run of sx, was interrupted.
package transfer

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Progress is where a transfer reports how far it is. Its methods may be called
// from several goroutines.
type Progress interface {
	// Start starts a phase that moves bytes, of which done are there already.
	Start(phase string, done, total int64)
	// Set reports how many bytes are there now; that may be fewer than before.
	Set(done int64)
	// Percent reports on a phase that is measured in percent; left is the
	// estimated time left, or 0 if it is not known.
	Percent(phase string, percent float64, left time.Duration)
	// Say leaves a line about the transfer.
	Say(format string, args ...any)
	WaitReporter
}

// WaitReporter is where pauses between tries are reported.
type WaitReporter interface {
	// Wait reports that nothing happens until the given time, and why.
	Wait(reason string, until time.Time)
}

func sayResumed(progress Progress, have, size int64) {
	progress.Say("resuming at %s of %s (%d%%)", sx.FormatSize(have), sx.FormatSize(size), 100*have/size)
}
