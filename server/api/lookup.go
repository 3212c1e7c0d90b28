package api

import "github.com/soundextract/sx/server/sx"

// MaxLookup is the largest number of items of a Lookup.
const MaxLookup = 100

// Lookup asks which sources of the user were converted, or are about to be.
type Lookup struct {
	Items []LookupItem `json:"items"` // at most MaxLookup
}

// LookupItem is a source and the options of its conversion.
type LookupItem struct {
	Identity string  `json:"identity"` // see sx.Source
	Options  Options `json:"options"`
}

// LookupResult is the response to a Lookup.
type LookupResult struct {
	Items []Conversion `json:"items"` // those of the request, in the same order
}

// Conversion is what is known about a source converted with some options.
type Conversion struct {
	// Tracks are the MP3s that it gave, even if the job was removed since. The list is
	// empty if it was never converted.
	Tracks []ConvertedTrack `json:"tracks"`
	// JobID is the job that has the tracks, or else one that is not finished; "" if
	// there is neither. A job that failed or was cancelled does not count.
	JobID string   `json:"job_id,omitempty"`
	State sx.State `json:"state,omitempty"` // of the job
}

// ConvertedTrack is an MP3 that exists or existed.
type ConvertedTrack struct {
	Number int    `json:"number"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}
