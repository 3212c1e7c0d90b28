//go:build !race

package stacktest

var raceFlags []string
