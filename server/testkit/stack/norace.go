//go:build !race

package stack

var raceFlags []string
