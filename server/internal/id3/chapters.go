package id3

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Chapter is a chapter of the sound.
type Chapter struct {
	Start, End time.Duration // End may be 0 if unknown
	Title      string
}

// arrange returns the chapters in the order of their starts, in whole milliseconds,
// without overlaps and within the duration, and warnings about what was left out.
func arrange(all []Chapter, duration time.Duration) (chapters []Chapter, warnings []sx.Warning) {
	// The highest 32-bit value means that there is no time.
	end := time.Duration(math.MaxUint32-1) * time.Millisecond
	if duration > 0 {
		end = min(end, duration)
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Chapter) int { return cmp.Compare(a.Start, b.Start) })
	late := 0
	for i, ch := range all {
		start := max(ch.Start, 0)
		if start >= end {
			late++
			continue
		}
		next := end
		if i+1 < len(all) {
			next = min(end, max(all[i+1].Start, 0))
		}
		if ch.End <= ch.Start || ch.End > next {
			ch.End = next
		}
		ch.Start, ch.End = start.Truncate(time.Millisecond), ch.End.Truncate(time.Millisecond)
		if ch.End > ch.Start { // else another one starts at the same time
			chapters = append(chapters, ch)
		}
	}
	if late > 0 {
		warnings = append(warnings, warning("chapters after the end of the audio were left out: %d", late))
	}
	if len(chapters) > maxChapters {
		warnings = append(warnings, warning("there are %d chapters; those after the first %d were left out", len(chapters), maxChapters))
		chapters = chapters[:maxChapters]
	}
	for i, ch := range chapters {
		chapters[i].Title = shorten(cleanLine(ch.Title), maxTitle)
		if chapters[i].Title == "" {
			chapters[i].Title = strconv.Itoa(i + 1) // players would show an empty line
		}
	}
	return chapters, warnings
}

func chapterID(i int) string { return "ch" + strconv.Itoa(i+1) }
func tableID(i int) string   { return "toc" + strconv.Itoa(i+1) }
