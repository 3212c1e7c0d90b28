package term

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	size    int64    // bytes of the file, its weight in the total
	phases  []string // that count in the total; none: each phase is all there is

	// Guarded by the display's lock:

	gauge   gauge
	passed  int     // the number of completed phases
	skipped float64 // the share of the bar that took no time, because it had been done before
	phase   string
	began   time.Time // of the phase
	status  status
	inBytes bool // the phase is measured in bytes
	now     int64
	total   int64
	percent float64 // of a phase that is not measured in bytes
	left    time.Duration
	speed   speed
	stalled string // why the transfer waits until the time below
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
	if i := slices.Index(b.phases, b.phase); i >= 0 {
		b.passed = i + 1
	}
	if i := slices.Index(b.phases, phase); i >= 0 {
		b.skipped += float64(max(i-b.passed, 0)) / float64(len(b.phases))
		b.passed = i
	}
	b.phase, b.began, b.status = phase, time.Now(), active
	return true
}

// overall returns how much of all phases is done, from 0 to 1.
func (b *ProgressBar) overall() float64 {
	switch {
	case b.status == done:
		return 1
	case b.status == waiting:
		return 0
	case len(b.phases) == 0:
		return b.fraction()
	}
	reached := float64(b.passed)
	if slices.Contains(b.phases, b.phase) {
		reached += b.fraction()
	}
	return reached / float64(len(b.phases))
}

// Start starts a phase of total bytes, 0 if unknown, of which done were transferred earlier
// and do not count for the speed.
func (b *ProgressBar) Start(phase string, done, total int64) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	b.enter(phase)
	b.inBytes, b.now, b.total = true, done, total
	b.skipped += b.fraction() / float64(max(len(b.phases), 1))
	b.speed.reset(time.Now(), done)
	line := phase
	if total > 0 {
		line += ", " + sx.FormatSize(total)
	}
	b.plain.start(b, line)
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
// unknown. At 0 and 100 percent, which often mean that nothing is known, it shows how
// long the phase has lasted instead.
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

// Explain is Say for what is said only if the streams are verbose.
func (b *ProgressBar) Explain(format string, args ...any) {
	if b.display.io.Verbose {
		b.Say(format, args...)
	}
}

// Done ends the bar after success; how says it in a word or two.
func (b *ProgressBar) Done(how string) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	b.skipped += 1 - b.overall()
	b.status, b.stalled, b.ended = done, "", how
	b.plain.line(b, how)
	b.display.plainTotal()
}

// cancelled is how a bar ended that is not complete, but did not fail either.
const cancelled = "cancelled"

// Cancelled ends the bar of a job that its owner has cancelled.
func (b *ProgressBar) Cancelled() {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	b.status, b.stalled, b.ended = failed, "", cancelled
}

// Fail ends the bar after a failure. If loud, the error and its hint are printed when
// the display is closed, for errors that nothing else reports; where results are JSON,
// an object with the error is printed in any case.
func (b *ProgressBar) Fail(err error, hint string, loud bool) {
	b.display.mu.Lock()
	defer b.display.mu.Unlock()
	b.status, b.stalled, b.ended = failed, "", "failed"
	if errors.Is(err, context.Canceled) {
		b.ended = "stopped"
		return
	}
	if b.display.io.JSON {
		b.display.failedJSON(b.name, err, hint)
		return
	}
	if loud {
		b.display.failed(b, err, hint)
	}
	b.display.plainTotal()
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

// spinner has the heads of an active bar, shown in turn.
const spinner = `|/-\`

// spin is how long each of them is shown.
const spin = 250 * time.Millisecond

func head(now time.Time) string {
	i := now.UnixMilli() / spin.Milliseconds() % int64(len(spinner))
	return spinner[i : i+1]
}

// view returns what the display shows of the bar.
func (b *ProgressBar) view(now time.Time) view {
	v := view{name: b.name, status: b.status, fraction: b.fraction(), gauge: b.gauge}
	percent := int(100 * v.fraction)
	if b.status == active && len(b.phases) > 0 {
		v.phase = b.phase
	}
	switch {
	case b.status == waiting:
		v.note = "waiting"
	case b.status == failed && percent > 0 && percent < 100:
		v.note = fmt.Sprintf("%s at %d%%", b.ended, percent)
	case b.status != active:
		v.note = b.ended
	case b.stalled != "":
		v.note = b.pause(now)
		if percent > 0 {
			v.note = fmt.Sprintf("%d%% %s", percent, v.note)
		}
	case !b.inBytes && (percent == 0 || percent == 100):
		v.note = FormatDuration(now.Sub(b.began).Truncate(time.Second))
		if len(b.phases) == 0 {
			v.note = b.phase + " " + v.note
		}
	default:
		v.spin = head(now)
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

// pause is waitText with the part that changes in front, where it is not cut off.
func (b *ProgressBar) pause(now time.Time) string {
	if left := b.until.Sub(now).Round(time.Second); left > 0 {
		return fmt.Sprintf("trying again in %s: %s", FormatDuration(left), b.stalled)
	}
	return fmt.Sprintf("%s trying again: %s", head(now), b.stalled)
}

func (b *ProgressBar) waitText(now time.Time) string {
	return waitText(b.stalled, b.until.Sub(now))
}

// waitText says when the next try is. While that is running, the pause is over.
func waitText(reason string, pause time.Duration) string {
	if pause = pause.Round(time.Second); pause > 0 {
		return reason + ", trying again in " + FormatDuration(pause)
	}
	return reason + ", trying again"
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
