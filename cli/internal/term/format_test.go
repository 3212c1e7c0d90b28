package term_test

import (
	"math"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"github.com/soundextract/sx/cli/internal/term"
)

func TestAgo(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Minute: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m", 90 * time.Minute: "1h", 47 * time.Hour: "47h", 49 * time.Hour: "2d",
	} {
		if got := term.FormatAge(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	for s, want := range map[float64]string{0: "0:00", 29.6: "0:30", 3599.4: "59:59", 3599.6: "1:00:00", 3723: "1:02:03"} {
		if got := term.FormatClock(s); got != want {
			t.Errorf("%v: got %s, want %s", s, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for p, want := range map[float64]string{0: "0%", 0.9: "0%", 41.6: "41%", 99.99: "99%", 100: "100%"} {
		if got := term.FormatPercent(p); got != want {
			t.Errorf("%v: got %s, want %s", p, got, want)
		}
	}
}

func TestPosition(t *testing.T) {
	t.Parallel()
	for s, want := range map[float64]string{0: "0:00", 12.5: "0:12.5", 59.9996: "1:00", 90: "1:30", 0.007: "0:00.007", 3723.25: "1:02:03.25"} {
		if got := term.FormatPosition(s); got != want {
			t.Errorf("%v: got %s, want %s", s, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text  string
		width int
		want  string
	}{
		{"short.mp4", 9, "short.mp4"},
		{"a long lecture.mp4", 12, "a long l…mp4"},
		{"abcdef", 4, "abc…"},
		{"日本語の講義です.mp4", 12, "日本語の…mp4"},
	}
	for _, tt := range tests {
		if got := term.Shorten(tt.text, tt.width); got != tt.want {
			t.Errorf("%s in %d: got %s, want %s", tt.text, tt.width, got, tt.want)
		}
	}
	for width := 1; width < 30; width++ {
		if got := term.Shorten("日本語の講義 naïve lecture.mp4", width); uniseg.StringWidth(got) > width {
			t.Errorf("%q is wider than %d", got, width)
		}
	}
}

func TestSpeedAndTimeLeft(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, got, want string }{
		{"a speed", term.FormatRate(11_200_000), "11 MB/s"},
		{"no speed", term.FormatRate(0), ""},
		{"an endless speed", term.FormatRate(math.Inf(1)), ""},
		{"no number", term.FormatRate(math.NaN()), ""},
		{"seconds", term.FormatDuration(8 * time.Second), "8s"},
		{"minutes", term.FormatDuration(200 * time.Second), "3m20s"},
		{"whole minutes", term.FormatDuration(5 * time.Minute), "5m"},
		{"hours", term.FormatDuration(125 * time.Minute), "2h5m"},
		{"whole hours", term.FormatDuration(2 * time.Hour), "2h"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
