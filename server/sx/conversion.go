package sx

import "time"

// Conversion records which MP3s were made from a source whose job was removed. Until then,
// the job itself says so.
type Conversion struct {
	Owner    string // the user's ID
	Identity string // of the source
	Options  string // the Key of the job's options
	Tracks   []ConvertedTrack
	Recorded time.Time
}

// ConvertedTrack is an MP3 that was once stored.
type ConvertedTrack struct {
	Number int   // in its job
	Size   int64 // bytes
	SHA256 string
}

// NewConversion returns the record of a job that is being removed. ok is false unless the
// job is done and the identity of its source is known.
func NewConversion(j Job, now time.Time) (c Conversion, ok bool) {
	if j.State != StateDone || CheckIdentity(j.Identity()) != nil {
		return Conversion{}, false
	}
	c = Conversion{Owner: j.Owner, Identity: j.Identity(), Options: j.Options.Key(), Recorded: now}
	for _, t := range j.Tracks {
		c.Tracks = append(c.Tracks, ConvertedTrack{Number: t.Number, Size: t.Size, SHA256: t.SHA256})
	}
	return c, true
}
