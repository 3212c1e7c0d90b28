package term

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// frame is the time between two repaints of the block.
const frame = 100 * time.Millisecond

// ProgressDisplay shows progress bars on ErrOut. Its methods and those of its bars
// may be called from several goroutines.
type ProgressDisplay struct {
	// FailuresOnce makes a display without a terminal print each error and its hint only
	// when it happens, for a command that goes on.
	FailuresOnce bool

	io   *IOStreams
	live bool // a terminal: bars; else lines

	began time.Time

	mu       sync.Mutex
	bars     []*ProgressBar
	others   []string // results of files without a bar
	failures []failure
	names    shortener
	screen   Screen
	totalAt  time.Time // when the total was last printed without a terminal

	stop func() // stops repainting; nil without a terminal
}

// failure is a line for the end, and its hint.
type failure struct{ text, hint string }

// NewProgressDisplay returns a display, which the caller must close.
func NewProgressDisplay(streams *IOStreams) *ProgressDisplay {
	now := time.Now()
	d := &ProgressDisplay{io: streams, began: now, totalAt: now, live: streams.ErrTTY && !streams.muted()}
	if d.live {
		d.stop = Repaint(frame, &d.mu, func() { d.paint(d.total(), false) })
	}
	return d
}

// Close paints the bars for the last time, and below them, if there were several, how
// often each result occurred. Then it prints the errors.
func (d *ProgressDisplay) Close() {
	if d.live {
		d.stop()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	summary := d.summary()
	switch {
	case !d.live && summary != "":
		d.sayLocked(summary)
	case d.live && len(d.bars) > 0:
		var lines []string
		if summary != "" {
			width, _ := d.io.Size()
			lines = Wrap(summary, width-Margin)
		}
		d.paint(lines, true)
		d.screen.Leave(d.io.ErrOut)
	}
	for _, f := range d.failures {
		d.print(f)
	}
}

func (d *ProgressDisplay) print(f failure) {
	_, _ = fmt.Fprintln(d.io.Errors(), f.text) // there is nowhere to report it
	if f.hint != "" {
		_, _ = fmt.Fprintln(d.io.Errors(), "  "+f.hint)
	}
}

// DropUnfinished removes the bars that have not ended, whose last state would soon be
// wrong on the screen.
func (d *ProgressDisplay) DropUnfinished() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bars = slices.DeleteFunc(d.bars, func(b *ProgressBar) bool { return b.status == waiting || b.status == active })
	if d.live {
		d.paint(d.total(), false)
	}
}

// Add adds a bar below the others. size is the file's in bytes, 0 if unknown: its
// weight in the total. There, the given phases count equally, and others not at all;
// if none are given, each phase counts for the whole file.
func (d *ProgressDisplay) Add(name string, size int64, phases ...string) *ProgressBar {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := &ProgressBar{display: d, name: name, size: size, phases: phases, gauge: newGauge()}
	d.bars = append(d.bars, b)
	return b
}

// Say prints a line above the bars.
func (d *ProgressDisplay) Say(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sayLocked(line)
}

// Explain prints a line above the bars if the streams are verbose.
func (d *ProgressDisplay) Explain(line string) {
	if d.io.Verbose {
		d.Say(line)
	}
}

// WriteJSON writes a result as IOStreams.WriteJSON does, without disturbing the bars.
func (d *ProgressDisplay) WriteJSON(v any) error { return d.io.writeJSON(d.Out(), v) }

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
		d.paint(d.total(), false)
	}
	if err != nil {
		return n, fmt.Errorf("write: %w", err)
	}
	return n, nil
}

func (d *ProgressDisplay) paint(total []string, last bool) {
	width, height := d.io.Size()
	now := time.Now()
	views := make([]view, len(d.bars))
	for i, b := range d.bars {
		views[i] = b.view(now)
	}
	d.screen.Paint(d.io.ErrOut, layout(views, total, &d.names, width-Margin, height-1, last), width)
}

// failed notes a bar's failure for the end, where nothing scrolls it away. Without a
// terminal it is also printed at once, but without the hint.
func (d *ProgressDisplay) failed(b *ProgressBar, err error, hint string) {
	f := failure{b.name + ": " + err.Error(), hint}
	if d.FailuresOnce && !d.live {
		d.print(f)
		return
	}
	d.failures = append(d.failures, f)
	b.plain.line(b, err.Error())
}

// failedJSON prints the result of a file that failed.
func (d *ProgressDisplay) failedJSON(name string, err error, hint string) {
	_ = d.io.writeJSON(d.io.Out, struct { // the exit code reports the failure in any case
		Name  string    `json:"name"`
		Error api.Error `json:"error"`
	}{name, api.Error{Code: sx.CodeOf(err), Message: err.Error(), Hint: hint}})
}

// Wait prints a line about a pause that concerns no single bar. It implements
// transfer.WaitReporter.
func (d *ProgressDisplay) Wait(reason string, until time.Time) {
	if pause := time.Until(until); pause >= plainAtMost {
		d.Say(waitText(reason, pause))
	}
}
