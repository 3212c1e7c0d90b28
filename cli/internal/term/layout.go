package term

import (
	"fmt"
	"io"
	"strings"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"
)

// view is the state of one bar at one moment.
type view struct {
	name      string
	status    status
	phase     string
	fraction  float64 // of the phase
	overall   float64 // of all phases
	total     int64   // bytes of all phases; 0 if they are not measured in bytes
	bytes     string
	perSecond float64
	left      string
	note      string // shown instead of the bar
}

// Widths in columns.
const (
	minName = 8
	minBar  = 8
	maxBar  = 60
	// These columns keep their width, so that the bars do not move.
	phaseWidth = 11 // "downloading"
	bytesWidth = 16 // "999 MB of 999 MB"
	rateWidth  = 8  // "999 MB/s"
	leftWidth  = 12 // "59m 59s left"
)

// layout returns the lines of the block: a line for each bar if they fit, else a
// summary and the active bars. If they do not fit, the last painting has no bars that
// are no longer active.
func layout(views []view, width, height int, last bool) []string {
	width, height = max(width, 1), max(height, 1)
	shown := views
	if len(views) > height {
		shown = append([]view{summary(views)}, running(views, height-1, last)...)
	}
	var cols columns
	for _, v := range shown {
		cols.name = max(cols.name, textWidth(v.name))
		cols.phase = cols.phase || v.phase != ""
		cols.bytes = cols.bytes || v.bytes != ""
		cols.left = cols.left || v.left != "" || v.bytes != ""
	}
	cols.fit(width)
	lines := make([]string, len(shown))
	for i, v := range shown {
		lines[i] = strings.TrimRight(clip(cols.line(v), width), " ")
	}
	return lines
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

// summary returns one view of all bars.
func summary(views []view) view {
	all := view{status: active}
	finished, now := 0, int64(0)
	inBytes := true
	for _, v := range views {
		if v.status == done {
			finished++
		}
		all.fraction += v.overall / float64(len(views))
		all.perSecond += v.perSecond
		now += int64(v.overall * float64(v.total))
		all.total += v.total
		inBytes = inBytes && v.total > 0
	}
	all.name = fmt.Sprintf("%d of %d done", finished, len(views))
	if inBytes {
		all.fraction = float64(now) / float64(all.total)
		all.bytes = amount(now, all.total)
		if left := timeLeft(all.total-now, all.perSecond); left > 0 {
			all.left = FormatDuration(left) + " left"
		}
	}
	return all
}

// columns says which columns are shown and how wide the variable ones are.
type columns struct {
	name, bar          int
	phase, bytes, left bool
	rate               bool
}

// fit gives the bar the width that the other columns leave, and drops columns until
// the bar is wide enough.
func (c *columns) fit(width int) {
	c.rate = c.bytes
	c.name = min(c.name, max(minName, width/3))
	for {
		rest := width - c.name - len(" 100% [") - len("]")
		for _, col := range []struct {
			on    bool
			width int
		}{{c.phase, phaseWidth}, {c.bytes, bytesWidth}, {c.rate, rateWidth}, {c.left, leftWidth}} {
			if col.on {
				rest -= col.width + 2
			}
		}
		c.bar = min(rest, maxBar)
		switch {
		case rest >= minBar:
			return
		case c.bytes:
			c.bytes = false
		case c.rate:
			c.rate = false
		case c.left:
			c.left = false
		case c.phase:
			c.phase = false
		case c.name > minName:
			c.name = minName
		default:
			c.bar = max(c.bar, 0)
			return
		}
	}
}

func (c *columns) line(v view) string {
	description := pad(shorten(v.name, c.name), c.name)
	if v.note != "" {
		return fmt.Sprintf("%s%s %s", description, padLeft("", c.beforePercent()), note(v))
	}
	if c.phase {
		description += "  " + pad(v.phase, phaseWidth)
	}
	var b strings.Builder
	b.WriteString(meter(description, v.fraction, c.bar))
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

// beforePercent is the width between a name and the percentage.
func (c *columns) beforePercent() int {
	if c.phase {
		return 2 + phaseWidth
	}
	return 0
}

// note returns the percentage with the text that is shown instead of a bar. Before
// "failed" it would read as a share, so there it comes last.
func note(v view) string {
	percent := int(100 * v.fraction)
	switch {
	case v.status != failed:
		return fmt.Sprintf("%3d%% %s", percent, v.note)
	case percent == 0 || percent == 100:
		return "     " + v.note
	}
	return fmt.Sprintf("     %s at %d%%", v.note, percent)
}

// meter returns a description with the percentage and the bar. The bar is ASCII
// because block characters are two columns wide on some East Asian terminals.
func meter(description string, fraction float64, width int) string {
	const full = 10_000
	bar := progressbar.NewOptions64(full,
		progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetDescription(description), progressbar.OptionSetWidth(width),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
	)
	_ = bar.RenderBlank() // writes to io.Discard
	_ = bar.Set64(int64(fraction * full))
	return strings.TrimRight(strings.TrimPrefix(bar.String(), "\r"), " ")
}

func textWidth(s string) int { return uniseg.StringWidth(s) }

func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-textWidth(s))) }

func padLeft(s string, width int) string { return strings.Repeat(" ", max(0, width-textWidth(s))) + s }

// clip cuts a text to width.
func clip(s string, width int) string {
	if textWidth(s) <= width {
		return s
	}
	var b strings.Builder
	for used := 0; s != ""; {
		cluster, rest, w, _ := uniseg.FirstGraphemeClusterInString(s, -1)
		if used += w; used > width {
			break
		}
		b.WriteString(cluster)
		s = rest
	}
	return b.String()
}

// shorten leaves out the middle of a name, so that its extension stays.
func shorten(name string, width int) string {
	if textWidth(name) <= width {
		return name
	}
	const gap = ".."
	tail := (width - len(gap)) / 3
	end := name
	for textWidth(end) > tail {
		_, end, _, _ = uniseg.FirstGraphemeClusterInString(end, -1)
	}
	return clip(name, width-len(gap)-textWidth(end)) + gap + end
}
