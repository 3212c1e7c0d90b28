package cmdutil

import (
	"math"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// FormatKept formats a retention period of the API, which is in seconds.
func FormatKept(seconds int64) string {
	if seconds <= 0 || seconds > math.MaxInt64/int64(time.Second) {
		return "forever"
	}
	return sx.FormatPeriod(time.Duration(seconds) * time.Second)
}
