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
