//go:build race

package testkit

// raceFlags builds the programs as the tests are built.
var raceFlags = []string{"-race"}

// Race reports whether the race detector is on, in the tests and in the programs that they
// build. It multiplies the memory that they use.
const Race = true
