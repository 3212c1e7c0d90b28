package store

import "github.com/soundextract/sx/server/sx"

// StoredBytes returns how many bytes of storage the job accounts for: its video (with its
// full size, even while it is being uploaded), its tracks, and what is reserved for a
// track. The video of an upload that expired, or was cancelled before it was complete,
// does not count because it is removed; one that was cancelled later is kept for a retry.
func StoredBytes(j sx.Job) int64 {
	var n int64
	if j.HasVideo() {
		n += j.Sent.Size
	}
	for _, t := range j.Tracks {
		n += t.Size
	}
	return n + j.Reserved
}

// Part is what one job contributes to its owner's totals. Adapters use it.
type Part struct {
	Bytes         int64
	Uploads, Jobs int
	Waiting       bool
	Priority      sx.Priority // if it waits
	Running       int
}

// Waits returns the priority with which the job waits, as text; "" if it does not wait.
func (p Part) Waits() string {
	if !p.Waiting {
		return ""
	}
	return p.Priority.String()
}

// PartOf returns the part of a job; nil contributes nothing.
func PartOf(j *sx.Job) Part {
	if j == nil {
		return Part{}
	}
	p := Part{Bytes: StoredBytes(*j), Jobs: 1, Waiting: j.Waiting()}
	if p.Waiting {
		p.Priority = j.Priority
	}
	switch j.State {
	case sx.StateUploading:
		p.Uploads = 1
	case sx.StateRunning:
		p.Running = 1
	}
	return p
}
