package sx

import "slices"

// Warning describes an unexpected property of the result of a finished job. Its
// codes are part of the API, like those of errors.
type Warning struct {
	Code    string
	Message string // one line without a full stop, for the job's owner
}

// Limits of a job's warnings. Their messages may quote the video.
const (
	MaxWarnings       = 20
	MaxWarningMessage = 300 // bytes
)

// cleanWarnings makes warnings safe to store and display: without duplicates, and
// within the limits.
func cleanWarnings(list []Warning) []Warning {
	var clean []Warning
	for _, w := range list {
		w.Message = CleanLine(w.Message, MaxWarningMessage)
		if len(clean) < MaxWarnings && !slices.Contains(clean, w) {
			clean = append(clean, w)
		}
	}
	return clean
}
