package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a flag value: a number of bytes such as 1048576, 1MiB or 4GB.
type Bytes int64

var units = []struct {
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

// Set parses a number with an optional decimal (kB, MB, …) or binary (KiB, MiB, …)
// unit.
func (b *Bytes) Set(s string) error {
	number, factor := strings.TrimSpace(s), 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 || n*factor >= math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 500MB or 10GiB", s)
	}
	*b = Bytes(n * factor)
	return nil
}

// String formats the number in the largest binary unit that divides it.
func (b *Bytes) String() string {
	n := int64(*b)
	if n == 0 {
		return "0"
	}
	for i := 3; i >= 0; i-- {
		if f := int64(units[i].factor); n%f == 0 {
			return fmt.Sprintf("%d%s", n/f, units[i].suffix)
		}
	}
	return strconv.FormatInt(n, 10)
}

// Type returns the placeholder of the value in the usage.
func (*Bytes) Type() string { return "size" }
