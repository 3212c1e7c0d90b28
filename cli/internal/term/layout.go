package term

import (
	"fmt"
	"strings"
)

// view is the state of one bar at one moment.
type view struct {
	name      string
	status    status
	phase     string
	fraction  float64 // of the phase
	gauge     gauge
	bytes     string
	perSecond float64
	left      string
	note      string // shown instead of the percentage and the bar
	spin      string // moves while the bar is active
}

// Widths in columns.
const (
	minName = 16
	minBar  = 8
	maxBar  = 30
	// These columns keep their width, so that the bars do not move.
	phaseWidth   = 11 // "downloading"
	percentWidth = 4  // "100%"
	bytesWidth   = 16 // "999 MB of 999 MB"
	rateWidth    = 8  // "999 MB/s"
	leftWidth    = 11 // "59m59s left"
)

// layout returns the lines of the block: one for each view, or if they do not fit, for
// as many active ones as possible, and the lines of the total below them. If they do not
// fit, the last painting has only the total.
func layout(views []view, total []string, names *shortener, width, height int, last bool) []string {
	width, height = max(width, 1), max(height, 1)
	rows := max(height-len(total), 0)
	if len(views) > rows {
		views = running(views, rows, last)
	}
	var cols columns
	full := make([]string, len(views))
	for i, v := range views {
		full[i] = v.name
		cols.name = max(cols.name, textWidth(v.name))
		cols.phase = cols.phase || v.phase != ""
		cols.bytes = cols.bytes || v.bytes != ""
		cols.left = cols.left || v.left != "" || v.bytes != ""
	}
	cols.fit(width)
	var lines []string
	for i, name := range names.shorten(full, cols.name) {
		lines = append(lines, strings.TrimRight(clip(cols.line(name, views[i]), width), " "))
	}
	for _, line := range total {
		lines = append(lines, clip(line, width))
	}
	return lines[:min(len(lines), height)]
}

func running(views []view, limit int, last bool) []view {
	var found []view
	for _, v := range views {
		if v.status == active && len(found) < limit && !last {
			found = append(found, v)
		}
	}
	return found
}

// columns says which columns are shown and how wide the variable ones are.
type columns struct {
	name, bar          int
	phase, bytes, left bool
	rate               bool
}

// fit drops columns until a name and a bar have enough space, and then gives the bar
// what the names leave, but at least a third. Where phases are shown, the bar is given
// up before them.
func (c *columns) fit(width int) {
	c.rate = c.bytes
	bar := true
	for {
		rest := width - 1 - percentWidth
		least := min(c.name, minName)
		if bar {
			rest -= len(" []")
			least += minBar
		}
		for _, col := range []struct {
			on    bool
			width int
		}{{c.phase, phaseWidth}, {c.bytes, bytesWidth}, {c.rate, rateWidth}, {c.left, leftWidth}} {
			if col.on {
				rest -= 2 + col.width
			}
		}
		switch {
		case rest >= least || !bar && !c.phase:
			if bar {
				c.bar = min(max(rest-c.name, rest/3, minBar), maxBar)
			}
			c.name = max(min(c.name, rest-c.bar), 1)
			return
		case c.bytes:
			c.bytes = false
		case c.rate:
			c.rate = false
		case c.left:
			c.left = false
		case bar:
			bar = false
		default:
			c.phase = false
		}
	}
}

func (c *columns) line(name string, v view) string {
	var b strings.Builder
	b.WriteString(pad(name, c.name))
	if c.phase && v.phase != "" {
		b.WriteString("  " + pad(v.phase, phaseWidth))
	}
	if v.note != "" {
		return b.String() + "  " + v.note
	}
	if c.bar == 0 {
		_, _ = fmt.Fprintf(&b, " %3d%% %s", int(100*v.fraction), v.spin)
		return b.String()
	}
	b.WriteString(v.gauge.draw(v.fraction, v.spin, c.bar))
	if c.bytes {
		b.WriteString("  " + padLeft(v.bytes, bytesWidth))
	}
	if c.rate {
		b.WriteString("  " + padLeft(FormatRate(v.perSecond), rateWidth))
	}
	if c.left {
		b.WriteString("  " + padLeft(v.left, leftWidth))
	}
	return b.String()
}

func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-textWidth(s))) }

func padLeft(s string, width int) string { return strings.Repeat(" ", max(0, width-textWidth(s))) + s }
