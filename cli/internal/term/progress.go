package term

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// frame is the time between two repaints of the block.
const frame = 100 * time.Millisecond

// ProgressDisplay shows progress bars on ErrOut. Its methods and those of its bars
// may be called from several goroutines.
type ProgressDisplay struct {
	io   *IOStreams
	live bool // a terminal: bars; else lines

	mu     sync.Mutex
	bars   []*ProgressBar
	screen Screen

	stop func() // stops repainting; nil without a terminal
}

// NewProgressDisplay returns a display, which the caller must close.
func NewProgressDisplay(streams *IOStreams) *ProgressDisplay {
	d := &ProgressDisplay{io: streams, live: streams.ErrTTY}
	if d.live {
		d.stop = Repaint(frame, &d.mu, func() { d.paint(false) })
	}
	return d
}

// Close paints the bars for the last time and leaves the cursor below them.
func (d *ProgressDisplay) Close() {
	if !d.live {
		return
	}
	d.stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.bars) > 0 {
		d.paint(true)
		d.screen.Leave(d.io.ErrOut)
	}
}

// DropUnfinished removes the bars that have not ended, whose last state would soon be
// wrong on the screen.
func (d *ProgressDisplay) DropUnfinished() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bars = slices.DeleteFunc(d.bars, func(b *ProgressBar) bool { return b.status == waiting || b.status == active })
	if d.live {
		d.paint(false)
	}
}

// Add adds a bar below the others. size is the number of bytes that it will move, 0
// if unknown; steps is the number of its phases.
func (d *ProgressDisplay) Add(name string, size int64, steps int) *ProgressBar {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := &ProgressBar{display: d, name: name, total: size, steps: max(steps, 1)}
	d.bars = append(d.bars, b)
	return b
}

// Say prints a line above the bars.
func (d *ProgressDisplay) Say(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sayLocked(line)
}

func (d *ProgressDisplay) sayLocked(line string) {
	_, _ = d.above(d.io.ErrOut, []byte(line+"\n")) // there is nowhere to report it
}

// Out returns the writer for results while bars are shown. It takes whole lines and
// writes them to the output stream without disturbing the bars.
func (d *ProgressDisplay) Out() io.Writer { return out{d} }

type out struct{ d *ProgressDisplay }

func (o out) Write(p []byte) (int, error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	return o.d.above(o.d.io.Out, p)
}

// above writes to w above the block.
func (d *ProgressDisplay) above(w io.Writer, p []byte) (int, error) {
	if d.live {
		d.screen.Erase(d.io.ErrOut)
	}
	n, err := w.Write(p)
	if d.live {
		d.paint(false)
	}
	if err != nil {
		return n, fmt.Errorf("write: %w", err)
	}
	return n, nil
}

func (d *ProgressDisplay) paint(last bool) {
	width, height := d.io.Size()
	now := time.Now()
	views := make([]view, len(d.bars))
	for i, b := range d.bars {
		views[i] = b.view(now)
	}
	d.screen.Paint(d.io.ErrOut, layout(views, width-Margin, height-1, last), width)
}

// Wait prints a line about a pause that concerns no single bar. It implements
// transfer.WaitReporter.
func (d *ProgressDisplay) Wait(reason string, until time.Time) {
	if pause := time.Until(until); pause >= plainAtMost {
		d.Say(fmt.Sprintf("%s, retrying in %s", reason, FormatDuration(pause)))
	}
}
