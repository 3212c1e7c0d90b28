package human_test

import (
	"math"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/human"
)

func TestSpeedAndTimeLeft(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, got, want string }{
		{"a speed", human.Rate(11_200_000), "11 MB/s"},
		{"no speed", human.Rate(0), ""},
		{"an endless speed", human.Rate(math.Inf(1)), ""},
		{"no number", human.Rate(math.NaN()), ""},
		{"seconds", human.Duration(8 * time.Second), "8s"},
		{"minutes", human.Duration(200 * time.Second), "3m 20s"},
		{"whole minutes", human.Duration(5 * time.Minute), "5m"},
		{"hours", human.Duration(125 * time.Minute), "2h 5m"},
		{"whole hours", human.Duration(2 * time.Hour), "2h"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
