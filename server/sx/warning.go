package sx

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

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
		w.Message = cleanLine(w.Message, MaxWarningMessage)
		if len(clean) < MaxWarnings && !slices.Contains(clean, w) {
			clean = append(clean, w)
		}
	}
	return clean
}

// cleanLine returns untrusted text as one line of at most size bytes, cleaned by
// CleanText.
func cleanLine(s string, size int) string {
	s = CleanText(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "_")))
	const ellipsis = "…"
	if len(s) <= size {
		return strings.TrimSpace(s)
	}
	end := size - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSpace(s[:end]) + ellipsis
}
