// Package lifetime reads how long something is to last, in days too: 90d, 12h.
package lifetime

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Value is a length of time as a flag's value.
type Value time.Duration

// Set reads a number of days such as 90d, or a duration as Go writes it.
func (v *Value) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		if n > int((1<<63-1)/day) {
			n = 0
		}
		d = time.Duration(n) * day
	}
	if err != nil || d < time.Minute {
		return fmt.Errorf("%q is not a length of time such as 90d, 12h or 30m", text)
	}
	*v = Value(d)
	return nil
}

func (v *Value) String() string {
	if d := time.Duration(*v); d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return time.Duration(*v).String()
}

// Type is what a flag of this value is called in texts.
func (v *Value) Type() string { return "TIME" }

// Seconds is the length in whole seconds.
func (v *Value) Seconds() int { return int(time.Duration(*v) / time.Second) }
