package settings

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Period is a flag value: a duration such as 7d or 36h; 0 means forever.
type Period time.Duration

// Set parses a number of days, or a duration in the format of Go of at least a minute.
func (p *Period) Set(s string) error {
	d, err := sx.ParsePeriod(s)
	if err == nil {
		*p = Period(d)
	}
	return err
}

// String formats the period in days if it consists of whole ones.
func (p *Period) String() string { return sx.FormatPeriod(time.Duration(*p)) }

// Type returns the placeholder of the value in the usage.
func (*Period) Type() string { return "period" }
