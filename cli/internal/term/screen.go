package term

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rivo/uniseg"
)

// Margin is the number of columns that a block leaves free at the right, so that the ^C
// that the terminal echoes for Ctrl-C does not wrap a line.
const Margin = 3

// Repaint calls paint with mu locked, at intervals, until stop is called. When stop
// returns, paint is not running.
func Repaint(interval time.Duration, mu sync.Locker, paint func()) (stop func()) {
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				mu.Lock()
				paint()
				mu.Unlock()
			}
		}
	}()
	return func() {
		close(ended)
		<-stopped
	}
}

// Screen is a block of lines on a terminal that is repainted in place. The cursor
// stays visible, at the end of the block's last line, so that there is nothing to
// restore however sx ends.
type Screen struct {
	lines []string
	width int // of the terminal at the last painting
}

// home moves the cursor from the end of the block to its start. A terminal that
// became narrower has wrapped the lines that no longer fit.
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

// Paint replaces the block with lines. width is the terminal's.
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
	_, _ = io.WriteString(w, b.String()) // there is nowhere to report it
}

// Erase removes the block and leaves the cursor at its start.
func (s *Screen) Erase(w io.Writer) {
	if len(s.lines) > 0 {
		_, _ = io.WriteString(w, s.home(s.width)+"\x1b[J")
		s.lines = nil
	}
}

// Leave keeps the block and moves the cursor below it.
func (s *Screen) Leave(w io.Writer) {
	if len(s.lines) > 0 {
		_, _ = io.WriteString(w, "\r\n")
		s.lines = nil
	}
}
