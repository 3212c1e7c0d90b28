package term

import (
	"fmt"
	"math"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// FormatRate writes a speed in bytes per second: "11 MB/s"; "" when it is not known.
func FormatRate(perSecond float64) string {
	if perSecond < 1 || math.IsNaN(perSecond) || math.IsInf(perSecond, 0) {
		return ""
	}
	return sx.FormatSize(int64(perSecond)) + "/s"
}

// FormatDuration writes a time in its two largest units: "8s", "3m 20s", "2h 5m".
func FormatDuration(d time.Duration) string {
	d = d.Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h > 0 && m == 0:
		return fmt.Sprintf("%dh", h)
	case h > 0:
		return fmt.Sprintf("%dh %dm", h, m)
	case m > 0 && s == 0:
		return fmt.Sprintf("%dm", m)
	case m > 0:
		return fmt.Sprintf("%dm %ds", m, s)
	default:
		return fmt.Sprintf("%ds", s)
	}
}
