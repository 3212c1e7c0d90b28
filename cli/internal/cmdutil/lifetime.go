package cmdutil

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

const day = 24 * time.Hour

// Lifetime is a flag value for a duration in days, hours or minutes: 90d, 12h.
type Lifetime time.Duration

// Set parses a number of days such as 90d, or a duration in the format of Go.
func (v *Lifetime) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		if n < 0 || n > int((1<<63-1)/day) { // it would overflow
			n = 0
		}
		d = time.Duration(n) * day
	}
	if err != nil || d < time.Minute {
		return fmt.Errorf("%q is not a duration such as 90d, 12h or 30m", text)
	}
	*v = Lifetime(d)
	return nil
}

func (v *Lifetime) String() string { return sx.FormatPeriod(time.Duration(*v)) }

// Type is the name of the value in help texts.
func (v *Lifetime) Type() string { return "TIME" }

// Seconds returns the duration in whole seconds.
func (v *Lifetime) Seconds() int { return int(time.Duration(*v) / time.Second) }

// AtMost returns a usage error if the duration that the flag gives is longer than most,
// which is a number of days.
func (v *Lifetime) AtMost(flag string, most time.Duration) error {
	if time.Duration(*v) > most {
		return UsageErrorf("%s %s is too long", flag, v).WithHint("use at most %dd", most/day)
	}
	return nil
}
