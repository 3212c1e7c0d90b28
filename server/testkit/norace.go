//go:build !race

package testkit

var raceFlags []string
