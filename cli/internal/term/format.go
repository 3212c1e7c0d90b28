package term

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// FormatAge formats an age in its largest unit: "12s", "3m", "5h", "2d".
func FormatAge(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// FormatPercent formats a progress, rounded down so that only all of it is 100%.
func FormatPercent(percent float64) string { return fmt.Sprintf("%d%%", int(percent)) }

// FormatClock formats the length of a recording: "0:30", "59:59", "1:02:03".
func FormatClock(seconds float64) string {
	s := int(math.Round(seconds))
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Wrap breaks a text between words into lines of at most the given number of
// columns; a longer word gets its own line.
func Wrap(text string, columns int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && textWidth(line)+1+textWidth(word) > columns {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// Narrow breaks a help text, which is made for 80 columns, for a narrower terminal:
// paragraphs are filled again, and where two columns do not fit, the second one is
// below the first.
func Narrow(text string, columns int) string {
	var b strings.Builder
	var pending string // text that is still to be filled
	indent := 0        // of pending
	flush := func() {
		if pending == "" {
			return
		}
		for _, line := range Wrap(pending, max(columns-indent, 1)) {
			b.WriteString(strings.Repeat(" ", indent) + line + "\n")
		}
		pending = ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n ")
		content := strings.TrimLeft(line, " ")
		depth := len(line) - len(content)
		left, right, two := strings.Cut(content, "  ")
		switch {
		case pending != "" && content != "" && (depth == 0 && indent == 0 || depth > 8):
			pending += " " + content
			continue
		case depth == 0 && content != "":
			flush()
			pending, indent = content, 0
			continue
		}
		flush()
		switch {
		case textWidth(line) <= columns && !two:
			b.WriteString(line + "\n")
		case two:
			b.WriteString(strings.Repeat(" ", depth) + left + "\n")
			pending, indent = strings.TrimSpace(right), min(depth+4, 8)
		default:
			pending, indent = content, depth
		}
	}
	flush()
	return b.String()
}

// FormatPosition formats a place in a recording, to the millisecond: "0:30", "1:02:03.5".
func FormatPosition(seconds float64) string {
	whole, fraction := math.Modf(math.Round(seconds*1000) / 1000)
	text := FormatClock(whole)
	if ms := math.Round(fraction * 1000); ms > 0 {
		text += strings.TrimRight(fmt.Sprintf(".%03.0f", ms), "0")
	}
	return text
}

// FormatRate formats a speed in bytes per second: "11 MB/s"; "" if it is unknown.
func FormatRate(perSecond float64) string {
	if perSecond < 1 || math.IsNaN(perSecond) || math.IsInf(perSecond, 0) {
		return ""
	}
	return sx.FormatSize(int64(perSecond)) + "/s"
}

// FormatDuration formats a duration in its two largest units: "8s", "3m20s", "2h5m".
func FormatDuration(d time.Duration) string {
	d = d.Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h > 0 && m == 0:
		return fmt.Sprintf("%dh", h)
	case h > 0:
		return fmt.Sprintf("%dh%dm", h, m)
	case m > 0 && s == 0:
		return fmt.Sprintf("%dm", m)
	case m > 0:
		return fmt.Sprintf("%dm%ds", m, s)
	default:
		return fmt.Sprintf("%ds", s)
	}
}
