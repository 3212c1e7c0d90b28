package watcher

import (
	"time"

	"github.com/soundextract/sx/cli/internal/transfer"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Phases is how many phases Show can show of one job.
const Phases = 3

// Show shows on a meter how far a job is that is not at its end.
func Show(meter transfer.Meter, job api.Job) {
	left := time.Duration(job.Remaining * float64(time.Second))
	switch job.State {
	case sx.StateUploading:
		meter.Percent("uploading", job.Progress, 0)
	case sx.StateQueued:
		meter.Percent("queued", 0, 0)
	case sx.StateRunning:
		meter.Percent("converting", job.Progress, left)
	}
}
