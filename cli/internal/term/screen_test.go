package term

import (
	"strings"
	"testing"
)

func TestScreenFindsItsBeginning(t *testing.T) {
	t.Parallel()
	s := Screen{lines: []string{strings.Repeat("x", 79), "會議", strings.Repeat("y", 41)}, width: 80}
	for width, want := range map[int]string{80: "\r\x1b[2A", 40: "\r\x1b[4A", 20: "\r\x1b[7A"} {
		if got := s.home(width); got != want {
			t.Errorf("at width %d: %q, want %q", width, got, want)
		}
	}
}
