package term

import (
	"fmt"
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// Screen is a block of lines on a terminal that is painted again in place. It
// knows what is on the terminal. The cursor is never hidden, so there is
// nothing to restore however sx ends; it rests at the end of the block's last line.
type Screen struct {
	lines []string
	width int // of the terminal when they were painted
}

// home is the way from the end of the block to its beginning. A terminal that
// became narrower has broken the lines that no longer fit.
func (s *Screen) home(width int) string {
	rows := 0
	for _, line := range s.lines {
		rows += 1 + max(0, uniseg.StringWidth(line)-1)/max(width, 1)
	}
	if rows <= 1 {
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", rows-1)
}

// Paint writes the lines where the block stood. width is the terminal's.
func (s *Screen) Paint(w io.Writer, lines []string, width int) {
	var b strings.Builder
	b.WriteString(s.home(width))
	if width != s.width {
		b.WriteString("\x1b[J")
	}
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	if len(lines) < len(s.lines) {
		b.WriteString("\x1b[J")
	}
	s.lines, s.width = lines, width
	_, _ = io.WriteString(w, b.String()) // a terminal that is gone cannot be told
}

// Erase leaves the cursor where the block began.
func (s *Screen) Erase(w io.Writer) {
	if len(s.lines) > 0 {
		_, _ = io.WriteString(w, s.home(s.width)+"\x1b[J")
		s.lines = nil
	}
}

// Leave lets the block stand and puts the cursor below it.
func (s *Screen) Leave(w io.Writer) {
	if len(s.lines) > 0 {
		_, _ = io.WriteString(w, "\r\n")
		s.lines = nil
	}
}
