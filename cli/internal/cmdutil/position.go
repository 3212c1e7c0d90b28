package cmdutil

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// position is a flag's value: a place in a recording in seconds.
type position float64

var clockPattern = regexp.MustCompile(`^(?:([0-9]{1,4}):)?([0-9]{1,5}):([0-9]{1,2}(?:\.[0-9]{1,9})?)$`)

// Set reads seconds (90.5), a duration (1m30s) or a time as players show it (1:30, 0:01:30.5).
func (p *position) Set(s string) error {
	s = strings.TrimSpace(s)
	seconds, err := strconv.ParseFloat(s, 64)
	if m := clockPattern.FindStringSubmatch(s); m != nil {
		var part [3]float64 // hours, minutes, seconds
		for i, digits := range m[1:] {
			part[i], _ = strconv.ParseFloat("0"+digits, 64) // the pattern admits only digits
		}
		if part[2] >= 60 || m[1] != "" && part[1] >= 60 {
			return errors.New("minutes and seconds are below 60")
		}
		seconds, err = 3600*part[0]+60*part[1]+part[2], nil
	} else if d, derr := time.ParseDuration(s); err != nil && derr == nil {
		seconds, err = d.Seconds(), nil
	}
	if err != nil || !(seconds >= 0 && seconds <= sx.MaxPosition) {
		return errors.New("use seconds, a duration or a time, such as 90, 1m30s or 0:01:30")
	}
	*p = position(math.Round(seconds*1000) / 1000)
	return nil
}

// String implements pflag.Value.
func (p *position) String() string { return sx.FormatSeconds(float64(*p)) }

// Type implements pflag.Value.
func (p *position) Type() string { return "time" }
