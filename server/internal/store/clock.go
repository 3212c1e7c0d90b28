package store

import "time"

// ClockSkew is how much the clocks of the processes that share a store may differ.
const ClockSkew = 4 * time.Minute

// Day returns the number of t's UTC day since 1970.
func Day(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// DayOver reports whether a count for the day stored has to begin again on another day. The
// next day was perhaps set by a clock that is a little ahead; a later one was set by a clock
// that was wrong.
func DayOver(stored, day int64) bool { return stored < day || stored > day+1 }

// Ahead reports whether a stored time is still to come, which a process set to at most so
// long after its own. One that is further ahead was set by a clock that was wrong, and would
// keep everybody waiting until then: it does not count.
func Ahead(now, stored time.Time, most time.Duration) bool {
	return now.Before(stored) && stored.Sub(now) <= most+ClockSkew
}
