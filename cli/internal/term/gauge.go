package term

import (
	"io"
	"strings"

	"github.com/schollz/progressbar/v3"
)

// gauge draws the percentage and the bar of a file.
type gauge struct{ bar *progressbar.ProgressBar }

// gaugeMax is the position of a full bar.
const gaugeMax = 10_000

func newGauge() gauge {
	return gauge{progressbar.NewOptions64(gaugeMax, progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))}
}

// draw returns a text such as " 42% [====|    ]", with a bar of width columns, whose head
// moves while the file is active. It is ASCII because block characters are two columns wide
// on some East Asian terminals.
func (g gauge) draw(fraction float64, head string, width int) string {
	theme := progressbar.Theme{Saucer: "=", SaucerHead: head, SaucerPadding: " ", BarStart: "[", BarEnd: "]"}
	switch int(fraction * float64(width)) { // the library draws no head at either end
	case 0:
		theme.BarStart += head
		width -= len(head)
	case width:
		theme.BarEnd = head + theme.BarEnd
		width -= len(head)
	}
	progressbar.OptionSetTheme(theme)(g.bar)
	progressbar.OptionSetWidth(width)(g.bar)
	g.bar.Reset()                               // a full bar would not be drawn again
	_ = g.bar.Set64(int64(fraction * gaugeMax)) // writes to io.Discard
	_ = g.bar.RenderBlank()
	return strings.TrimRight(strings.TrimPrefix(g.bar.String(), "\r"), " ")
}
