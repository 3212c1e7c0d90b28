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
		name: name, status: active, fraction: float64(now) / float64(total), overall: float64(now) / float64(total),
		total: total, bytes: amount(now, total), perSecond: 11e6, left: "3m 20s left",
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	three := []view{
		moving("talk.mp4", 1_200_000_000, 4_000_000_000),
		{name: "会議の録画.mp4", status: waiting, note: "waiting"},
		{name: "b.mkv", status: active, fraction: 0.5, note: "no connection, retrying in 8s"},
	}
	four := append(slices.Clone(three), moving("c.mp4", 400_000_000, 1_000_000_000))
	four[1].total, four[2].total = 500_000_000, 500_000_000
	tests := []struct {
		name          string
		views         []view
		width, height int
		want          string
	}{
		{"wide", three, 100, 20, `
talk.mp4        30% [=========>                          ]  1.2 GB of 4.0 GB   11 MB/s   3m 20s left
会議の録画.mp4   0% waiting
b.mkv           50% no connection, retrying in 8s`},
		{"without bytes", three, 60, 20, `
talk.mp4        30% [===>          ]   11 MB/s   3m 20s left
会議の録画.mp4   0% waiting
b.mkv           50% no connection, retrying in 8s`},
		{"narrow", three, 36, 20, `
talk.mp4      30% [===>            ]
会議の..mp4    0% waiting
b.mkv         50% no connection, ret`},
		{"too narrow for anything", three, 10, 20, `
talk.mp4
会議..p4
b.mkv`},
		{"more than fit", four, 79, 3, `
0 of 4 done  26% [===>              ]  1.6 GB of 6.0 GB   22 MB/s   3m 20s left
talk.mp4     30% [====>             ]  1.2 GB of 4.0 GB   11 MB/s   3m 20s left
b.mkv        50% no connection, retrying in 8s`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lines := layout(tt.views, tt.width, tt.height, false)
			if got := strings.Join(lines, "\n"); got != strings.TrimPrefix(tt.want, "\n") {
				t.Errorf("got\n%s\nwant%s", got, tt.want)
			}
		})
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
				lines := layout(views[:n], width, height, false)
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

func TestLastPaintingLeavesTheSummaryOnly(t *testing.T) {
	t.Parallel()
	views := []view{moving("a", 1, 2), moving("b", 1, 2), moving("c", 1, 2)}
	if lines := layout(views, 80, 2, true); len(lines) != 1 {
		t.Errorf("got %q", lines)
	}
}

func TestShortenKeepsTheExtension(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		width int
		want  string
	}{
		{"short.mp4", 20, "short.mp4"},
		{"a rather long name of a talk.mp4", 20, "a rather lon..lk.mp4"},
		{"会議の録画会議の録画会議の録画.mp4", 20, "会議の録画会..画.mp4"},
		{"👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦.mp4", 12, "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦..mp4"},
	}
	for _, tt := range tests {
		if got := shorten(tt.name, tt.width); got != tt.want || textWidth(got) > tt.width {
			t.Errorf("got %q (%d wide), want %q", got, textWidth(got), tt.want)
		}
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
