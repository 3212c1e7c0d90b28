//go:build race

package testkit

// raceFlags builds the programs as the tests are built.
var raceFlags = []string{"-race"}
