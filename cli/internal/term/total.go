package term

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The time left is known once this much of the batch is done.
const (
	knownAfter = 2 * time.Second
	knownShare = 0.01
)

// total returns the line about all bars, none if there are not several. At a narrow
// terminal it has no rate.
func (d *ProgressDisplay) total() []string {
	parts := d.totals(time.Now())
	if parts == nil {
		return nil
	}
	line := strings.Join(parts, "  ")
	width, _ := d.io.Size()
	if len(parts) > 3 && textWidth(line) > width-Margin {
		line = strings.Join(slices.Delete(parts, 2, 3), "  ")
	}
	if textWidth(line) > width-Margin {
		line = strings.TrimSuffix(line, " left")
	}
	return []string{line}
}

// plainTotal prints the total without a terminal, at intervals.
func (d *ProgressDisplay) plainTotal() {
	now := time.Now()
	if d.live || now.Sub(d.totalAt) < plainAtLeast {
		return
	}
	if parts := d.totals(now); parts != nil {
		d.totalAt = now
		d.sayLocked(strings.Join(parts, ", "))
	}
}

func (d *ProgressDisplay) totals(now time.Time) []string {
	if len(d.bars) < 2 {
		return nil
	}
	finished, broken, unfinished, perSecond := 0, 0, 0, 0.0
	for _, b := range d.bars {
		if b.status == waiting || b.status == active {
			unfinished++
		}
		switch {
		case b.status == done:
			finished++
		case b.status == failed && b.ended != cancelled:
			broken++
		case b.status == active && b.inBytes && b.stalled == "":
			perSecond += b.speed.perSecond(now)
		}
	}
	count := fmt.Sprintf("%d of %d done", finished, len(d.bars))
	if broken > 0 {
		count += fmt.Sprintf(", %d failed", broken)
	}
	share, left := d.share(now.Sub(d.began))
	parts := []string{count}
	switch {
	case finished == len(d.bars):
		parts = append(parts, FormatPercent(100))
	case unfinished > 0: // 100% only of what can no longer fail
		parts = append(parts, FormatPercent(min(100*share, 99)))
	}
	if rate := FormatRate(perSecond); rate != "" {
		parts = append(parts, rate)
	}
	if left > 0 {
		parts = append(parts, FormatDuration(left)+" left")
	}
	return parts
}

// share returns how much of all bars is done, from 0 to 1, and the time left, 0 if
// unknown. Files count by their sizes if all are known; those that failed do not count,
// because nothing more is done for them. What had been done before this run tells
// nothing about its speed.
func (d *ProgressDisplay) share(passed time.Duration) (share float64, left time.Duration) {
	equal := slices.ContainsFunc(d.bars, func(b *ProgressBar) bool { return b.size <= 0 })
	var all, reached, skipped float64
	for _, b := range d.bars {
		if b.status == failed {
			continue
		}
		weight := float64(b.size)
		if equal {
			weight = 1
		}
		all += weight
		reached += weight * b.overall()
		skipped += weight * min(b.skipped, b.overall())
	}
	if all == 0 {
		return 1, 0
	}
	if worked := reached - skipped; passed >= knownAfter && worked >= knownShare*all {
		left = time.Duration(float64(passed) * (all - reached) / worked)
	}
	return reached / all, left
}

// Count adds n files without a bar to the summary that Close prints.
func (d *ProgressDisplay) Count(how string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range n {
		d.others = append(d.others, how)
	}
}

// summary returns how often each result occurred, and the total time; "" if there are not
// several.
func (d *ProgressDisplay) summary() string {
	if len(d.bars)+len(d.others) < 2 {
		return ""
	}
	var results []string
	count := map[string]int{}
	for _, b := range d.bars {
		how := b.ended
		switch b.status {
		case waiting:
			how = "not started"
		case active:
			how = "not finished"
		}
		if count[how]++; count[how] == 1 {
			results = append(results, how)
		}
	}
	for _, how := range d.others {
		if count[how]++; count[how] == 1 {
			results = append(results, how)
		}
	}
	// What succeeded comes first, in the order in which it occurred.
	slices.SortStableFunc(results, func(a, b string) int { return rank(a) - rank(b) })
	for i, how := range results {
		results[i] = fmt.Sprintf("%d %s", count[how], how)
	}
	return strings.Join(append(results, FormatDuration(time.Since(d.began))), ", ")
}

func rank(how string) int {
	return slices.Index([]string{"already there", "skipped", "failed", "stopped", "not finished", "not started"}, how)
}
