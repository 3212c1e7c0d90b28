package store

import "time"

// ClockSkew is how much the clocks of the processes that share a store may differ.
const ClockSkew = 4 * time.Minute

// Ahead reports whether a stored time is still to come, which a process set to at most so
// long after its own. One that is further ahead was set by a clock that was wrong, and would
// keep everybody waiting until then: it does not count.
func Ahead(now, stored time.Time, most time.Duration) bool {
	return now.Before(stored) && stored.Sub(now) <= most+ClockSkew
}
