package cluster

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/watch"
)

// frame is the time between two repaints of the block.
const frame = 200 * time.Millisecond

// live paints a block with the current step and a row for each workload, below the
// lines of the finished steps.
type live struct {
	io *term.IOStreams

	mu     sync.Mutex
	screen term.Screen
	step   string
	since  time.Time
	rows   []watch.Row

	stop func() // stops repainting
}

func newLive(streams *term.IOStreams) *live {
	l := &live{io: streams}
	l.stop = term.Repaint(frame, &l.mu, l.paint)
	return l
}

func (l *live) Show(e installer.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.State {
	case installer.Started:
		l.step, l.since = e.Step, time.Now()
		if e.Detail != "" {
			l.step += ": " + e.Detail
		}
	case installer.Changed:
		if e.Row != nil {
			l.put(*e.Row)
		}
	default:
		if e.State != installer.Warning {
			l.step = ""
		}
		l.screen.Erase(l.io.ErrOut)
		_, _ = fmt.Fprintln(l.io.ErrOut, line(e, l.io.Color)) // there is nowhere to report it
	}
	l.paint()
}

func (l *live) put(row watch.Row) {
	for i := range l.rows {
		if key(l.rows[i]) == key(row) {
			l.rows[i] = row
			return
		}
	}
	l.rows = append(l.rows, row)
}

// Close implements RolloutDisplay.
func (l *live) Close() {
	l.stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.step = ""
	l.paint()
	l.screen.Leave(l.io.ErrOut)
}

func (l *live) paint() {
	width, height := l.io.Size()
	var lines []string
	if l.step != "" {
		lines = append(lines, fmt.Sprintf("· %s (%s)", l.step, term.FormatDuration(time.Since(l.since).Truncate(time.Second))))
	}
	lines = append(lines, rowLines(l.rows, width-term.Margin, height-1-len(lines))...)
	for i := range lines {
		lines[i] = cut(lines[i], width-term.Margin)
	}
	if len(lines) > 0 {
		l.screen.Paint(l.io.ErrOut, lines, width)
	} else {
		l.screen.Erase(l.io.ErrOut)
	}
}

// rowLines aligns the rows. If they do not all fit, those that are ready are only
// counted.
func rowLines(rows []watch.Row, width, height int) []string {
	shown, ready := rows, 0
	if len(rows) > height {
		shown = nil
		for _, r := range rows {
			if r.State == watch.StateReady {
				ready++
			} else if len(shown) < height-1 {
				shown = append(shown, r)
			}
		}
	}
	var name, count, state int
	for _, r := range shown {
		name = max(name, runewidth.StringWidth(r.Name))
		count = max(count, len(counts(r)))
		state = max(state, len(r.State))
	}
	const indent, gap, minName = 2, 2, 10
	// The state is more important than a long name.
	name = min(name, max(minName, width-indent-2*gap-count-state))
	var lines []string
	for _, r := range shown {
		reason := r.Reason
		if r.State == watch.StateReady {
			reason = ""
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%*s%s  %-*s  %-*s  %s", indent, "",
			runewidth.FillRight(term.Shorten(r.Name, name), name), count, counts(r), state, r.State, reason), " "))
	}
	if ready > 0 && height > 0 {
		lines = append(lines, fmt.Sprintf("  %d of %d ready", ready, len(rows)))
	}
	return lines
}

func counts(r watch.Row) string { return fmt.Sprintf("%d/%d", r.Ready, r.Desired) }

// cut shortens a text that is too long.
func cut(text string, width int) string {
	return runewidth.Truncate(text, max(width, 1), "…")
}
