package term

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func moving(name string, now, total int64) view {
	return view{
		name: name, status: active, fraction: float64(now) / float64(total),
		bytes: amount(now, total), perSecond: 11e6, left: "3m20s left", spin: "|",
		gauge: newGauge(),
	}
}

func TestLayoutAlwaysFits(t *testing.T) {
	t.Parallel()
	var views []view
	for i := range 60 {
		v := moving(fmt.Sprintf("🎬 %s %d.mp4", strings.Repeat("長い名前", i%9), i), int64(i), 60)
		v.status = status(i % 4)
		if i%7 == 0 {
			v.phase = "downloading"
		}
		views = append(views, v)
	}
	for width := 1; width < 200; width += 7 {
		for _, height := range []int{1, 2, 23, 60, 61} {
			for _, n := range []int{0, 1, 5, 24, 60} {
				lines := layout(views[:n], slices.Repeat([]string{"total"}, n%3), &shortener{}, width, height, false)
				if len(lines) > height {
					t.Fatalf("%d lines in a height of %d", len(lines), height)
				}
				for _, line := range lines {
					if textWidth(line) > width {
						t.Fatalf("%q is wider than %d", line, width)
					}
				}
			}
		}
	}
}

func TestLastPaintingLeavesTheTotalOnly(t *testing.T) {
	t.Parallel()
	views := []view{moving("a", 1, 2), moving("b", 1, 2), moving("c", 1, 2)}
	if lines := layout(views, []string{"total"}, &shortener{}, 80, 3, true); len(lines) != 1 {
		t.Errorf("got %q", lines)
	}
}

func TestShortenDistinct(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		names []string
		width int
		want  []string
	}{
		{"short", []string{"a.mp4", "b.mp4"}, 12, []string{"a.mp4", "b.mp4"}},
		{"the extension stays", []string{"a rather long name.mp4", "something else.mkv"}, 12, []string{"a rather…mp4", "somethin…mkv"}},
		{"different numbers", []string{"Lecture 01 Waves.mp4", "Lecture 02 Rooms.mp4"}, 12, []string{"Lecture 01 …", "Lecture 02 …"}},
		{"different ends", []string{"Seminar of spring, part 1.mp4", "Seminar of spring, part 2.mp4"}, 12, []string{"Semina…1.mp4", "Semina…2.mp4"}},
		{"different in the middle", []string{"Seminar of spring 1, a long title.mp4", "Seminar of spring 2, a long title.mp4"}, 24, []string{"", ""}},
		{"wide", []string{"会議の録画会議の録画会議の録画.mp4"}, 20, []string{"会議の録画会…画.mp4"}},
		{"clusters", []string{"👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦.mp4"}, 11, []string{"👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦…mp4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := shortenDistinct(tt.names, tt.width)
			if distinct(got) != len(got) {
				t.Errorf("%q are not distinct", got)
			}
			for i, short := range got {
				if tt.want[i] != "" && short != tt.want[i] || textWidth(short) > tt.width {
					t.Errorf("got %q (%d wide), want %q", short, textWidth(short), tt.want[i])
				}
			}
		})
	}
}

func TestSpeed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var s speed
	s.reset(at, 1_000_000) // earlier bytes do not count
	if got := s.perSecond(at); got != 0 {
		t.Errorf("at the start: %f", got)
	}
	for i := range 40 {
		s.add(at.Add(time.Duration(i)*time.Second), 1_000_000+int64(i)*500)
	}
	at = at.Add(39 * time.Second)
	if got := s.perSecond(at); got < 490 || got > 510 {
		t.Errorf("steady: %f", got)
	}
	if got := s.perSecond(at.Add(time.Minute)); got > 20 {
		t.Errorf("a minute after the last byte: %f", got)
	}
	s.add(at, 10) // the server has less than was sent
	if got := s.perSecond(at); got != 0 {
		t.Errorf("after going back: %f", got)
	}
}
