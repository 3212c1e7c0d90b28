package term

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soundextract/sx/server/sx"
)

type status int

const (
	waiting status = iota // not started
	active
	done
	failed
)

// ProgressBar shows one file. It implements transfer.Meter.
type ProgressBar struct {
	display *ProgressDisplay
	name    string
	steps   int

	// Guarded by the display's lock:

	step    int // the current phase, from 0
	phase   string
	status  status
	inBytes bool // the phase is measured in bytes
	now     int64
	total   int64
	percent float64 // of a phase that is not measured in bytes
	left    time.Duration
	speed   speed
	stalled string // why the transfer waits, until
	until   time.Time
	ended   string // how it ended
	plain   plain
}

// enter starts the phase, unless it is the current one.
func (b *ProgressBar) enter(phase string) (entered bool) {
	b.stalled = ""
	if b.status == active && b.phase == phase {
		return false
	}
	if b.phase != "" {
		b.step = min(b.step+1, b.steps-1)
	}
	b.phase, b.status = phase, active
	return true
}

// Start starts a phase of total bytes, of which done were transferred earlier and do
// not count for the speed.
func (b *ProgressBar) Start(phase string, done, total int64) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	b.enter(phase)
	b.inBytes, b.now, b.total = true, done, total
	b.speed.reset(time.Now(), done)
	b.plain.start(b, fmt.Sprintf("%s, %s", phase, sx.FormatSize(total)))
}

// Set sets how many bytes have been transferred.
func (b *ProgressBar) Set(done int64) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	b.stalled, b.now = "", done
	b.speed.add(time.Now(), done)
	b.plain.tick(b)
}

// Percent shows a phase that is measured in percent; left is the time left, 0 if
// unknown.
func (b *ProgressBar) Percent(phase string, percent float64, left time.Duration) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	entered := b.enter(phase)
	b.inBytes, b.percent, b.left = false, percent, left
	if entered {
		b.plain.start(b, phase)
		return
	}
	b.plain.tick(b)
}

// Wait shows until when the transfer waits, and why. It does nothing after the bar's
// end.
func (b *ProgressBar) Wait(reason string, until time.Time) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	switch b.status {
	case done, failed:
		return
	case waiting:
		b.status = active
	}
	b.stalled, b.until = reason, until
	b.plain.wait(b)
}

// Say prints a line about the file.
func (b *ProgressBar) Say(format string, args ...any) {
	b.display.Say(b.name + ": " + fmt.Sprintf(format, args...))
}

// Done ends the bar after success; how says it in a word or two.
func (b *ProgressBar) Done(how string) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	b.status, b.stalled, b.ended = done, "", how
	b.plain.line(b, how)
}

// Fail ends the bar after a failure. If loud, it prints the error and its hint, for
// errors that nothing else reports.
func (b *ProgressBar) Fail(err error, hint string, loud bool) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	b.status, b.stalled, b.ended = failed, "", "failed"
	if errors.Is(err, context.Canceled) {
		b.ended = "stopped"
	}
	if loud {
		line := b.name + ": " + err.Error()
		if hint != "" {
			line += "\n  " + hint
		}
		b.display.sayLocked(line)
	}
}

// fraction returns how much of the current phase is done, from 0 to 1.
func (b *ProgressBar) fraction() float64 {
	switch {
	case b.status == waiting:
		return 0
	case b.status == done:
		return 1
	case !b.inBytes:
		return min(max(b.percent/100, 0), 1)
	case b.total <= 0:
		return 0
	}
	return min(max(float64(b.now)/float64(b.total), 0), 1)
}

// view returns what the display shows of the bar.
func (b *ProgressBar) view(now time.Time) view {
	v := view{name: b.name, status: b.status, fraction: b.fraction()}
	v.overall = v.fraction
	if b.steps == 1 {
		v.total = b.total
	}
	if b.status == active || b.status == failed {
		v.overall = (float64(b.step) + v.fraction) / float64(b.steps)
	}
	switch {
	case b.status == waiting:
		v.note = "waiting"
	case b.status != active:
		v.note = b.ended
	case b.stalled != "":
		v.note = b.waitText(now)
	case b.steps == 1 && !b.inBytes:
		v.note = b.phase // too short a phase for a column
	default:
		if b.steps > 1 {
			v.phase = b.phase
		}
		b.measure(&v, now)
	}
	return v
}

func (b *ProgressBar) measure(v *view, now time.Time) {
	left := b.left
	if b.inBytes {
		v.bytes = amount(b.now, b.total)
		v.perSecond = b.speed.perSecond(now)
		left = timeLeft(b.total-b.now, v.perSecond)
	}
	if left > 0 {
		v.left = FormatDuration(left) + " left"
	}
}

func (b *ProgressBar) waitText(now time.Time) string {
	return fmt.Sprintf("%s, retrying in %s", b.stalled, FormatDuration(max(b.until.Sub(now), 0)))
}

func amount(now, total int64) string { return sx.FormatSize(now) + " of " + sx.FormatSize(total) }

// timeLeft returns 0 if it is unknown.
func timeLeft(bytes int64, perSecond float64) time.Duration {
	if perSecond < 1 || bytes <= 0 {
		return 0
	}
	seconds := float64(bytes) / perSecond
	if seconds > float64(100*time.Hour/time.Second) {
		return 0
	}
	return max(time.Duration(seconds*float64(time.Second)), time.Second)
}

// Rename changes the bar's name.
func (b *ProgressBar) Rename(name string) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	b.name = name
}
