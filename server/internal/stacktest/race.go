//go:build race

package stacktest

// raceFlags builds the programs as the tests are built.
var raceFlags = []string{"-race"}
