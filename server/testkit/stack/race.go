//go:build race

package stack

// raceFlags builds the programs as the tests are built.
var raceFlags = []string{"-race"}
