//go:build !race

package testkit

var raceFlags []string

// Race reports whether the race detector is on, in the tests and in the programs that they
// build. It multiplies the memory that they use.
const Race = false
