package cmdutil

import (
	"slices"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// StateNames lists the states of jobs.
func StateNames() []string {
	var names []string
	for _, s := range sx.States() {
		names = append(names, string(s))
	}
	return names
}

// CheckStates returns a usage error unless all of them are states of jobs.
func CheckStates(states []string) error {
	for _, s := range states {
		if !slices.Contains(StateNames(), s) {
			return UsageErrorf("unknown state %q", s).WithHint("use one of: %s", strings.Join(StateNames(), ", "))
		}
	}
	return nil
}

// StateColor returns the SGR code of the states that are coloured; "" for the others.
func StateColor(s sx.State) string {
	switch s {
	case sx.StateRunning, sx.StateUploading:
		return "36"
	case sx.StateDone:
		return "32"
	case sx.StateFailed:
		return "31"
	case sx.StateExpired:
		return "33"
	default:
		return ""
	}
}
