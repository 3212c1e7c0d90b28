package sx_test

import (
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
)

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "50GiB", "2.5GB", " 1 kB ", "-1", "NaN", "Inf", "1e3MB", "8EiB", "9223372036854775807", "0x1p62", "B", "GiB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := sx.ParseSize(text)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q is %d bytes", text, n)
		}
		const exact = 1 << 53 // of a float64
		again, err := sx.ParseSize(sx.FormatExactSize(n))
		if err != nil || again != n && n <= exact {
			t.Errorf("%q: %d bytes are formatted as %s, which is %d, %v", text, n, sx.FormatExactSize(n), again, err)
		}
	})
}

func FuzzPeriod(f *testing.F) {
	for _, seed := range []string{
		"", "0", "7d", "36h", "90s", "1m", "59s", "-1d", "-200000000d", "-9223372036854775808d", "106752d", "0d", "1.5d", "d", "1h30m", "NaN",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := sx.ParsePeriod(text)
		if err != nil {
			return
		}
		if d != 0 && d < time.Minute {
			t.Fatalf("%q is %s", text, d)
		}
		if again, err := sx.ParsePeriod(sx.FormatPeriod(d)); err != nil || again != d {
			t.Errorf("%q: %d ns are formatted as %s, which is %d, %v", text, d, sx.FormatPeriod(d), again, err)
		}
	})
}

func TestPeriod(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"0": 0, "7d": 7 * 24 * time.Hour, "36h": 36 * time.Hour, "1m": time.Minute} {
		if d, err := sx.ParsePeriod(text); err != nil || d != want {
			t.Errorf("%s: got %s, %v", text, d, err)
		}
	}
	// Some numbers of days would overflow into a valid period.
	for _, text := range []string{"", "7", "59s", "-1d", "-1h", "-200000000d", "-9223372036854775808d", "106752d", "99999999999999999999d"} {
		if d, err := sx.ParsePeriod(text); err == nil {
			t.Errorf("%s: got %s", text, d)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "10": 10, "10B": 10, "50GiB": 50 << 30, "2.5 GB": 2_500_000_000} {
		if n, err := sx.ParseSize(text); err != nil || n != want {
			t.Errorf("%s: got %d, %v", text, n, err)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "NaN", "NaNGiB", "Inf", "9223372036854775808", "8388608TiB", "10G"} {
		if n, err := sx.ParseSize(text); err == nil {
			t.Errorf("%s: got %d", text, n)
		}
	}
}
