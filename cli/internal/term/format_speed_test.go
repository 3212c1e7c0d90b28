package term_test

import (
	"math"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/term"
)

func TestSpeedAndTimeLeft(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, got, want string }{
		{"a speed", term.FormatRate(11_200_000), "11 MB/s"},
		{"no speed", term.FormatRate(0), ""},
		{"an endless speed", term.FormatRate(math.Inf(1)), ""},
		{"no number", term.FormatRate(math.NaN()), ""},
		{"seconds", term.FormatDuration(8 * time.Second), "8s"},
		{"minutes", term.FormatDuration(200 * time.Second), "3m 20s"},
		{"whole minutes", term.FormatDuration(5 * time.Minute), "5m"},
		{"hours", term.FormatDuration(125 * time.Minute), "2h 5m"},
		{"whole hours", term.FormatDuration(2 * time.Hour), "2h"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
