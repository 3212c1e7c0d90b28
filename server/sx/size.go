package sx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var sizeUnits = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

// ParseSize parses a number of bytes with an optional decimal (kB, MB, …) or binary (KiB,
// MiB, …) unit.
func ParseSize(text string) (int64, error) {
	number, factor := strings.TrimSpace(text), 1.0
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err == nil && n >= 0 && n*factor < math.MaxInt64 { // false for NaN
		return int64(n * factor), nil
	}
	return 0, fmt.Errorf("%q is not a size such as 500MB or 10GiB", text)
}

// FormatExactSize formats a number of bytes in the largest binary unit that divides it,
// as ParseSize reads it.
func FormatExactSize(n int64) string {
	if n == 0 {
		return "0"
	}
	for i := 3; i >= 0; i-- {
		if f := int64(sizeUnits[i].factor); n%f == 0 {
			return fmt.Sprintf("%d%s", n/f, sizeUnits[i].suffix)
		}
	}
	return strconv.FormatInt(n, 10)
}

// FormatSize formats a number of bytes for display, with decimal units and at most
// three significant digits: "0 B", "999 B", "1.5 kB", "4.2 GB".
func FormatSize(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), -1
	for value >= 999.5 && unit < len("kMGTPE")-1 {
		value /= 1000
		unit++
	}
	if value < 9.95 {
		return fmt.Sprintf("%.1f %cB", value, "kMGTPE"[unit])
	}
	return fmt.Sprintf("%.0f %cB", value, "kMGTPE"[unit])
}
