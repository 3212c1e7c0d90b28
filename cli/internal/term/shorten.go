package term

import (
	"slices"

	"github.com/rivo/uniseg"
)

const ellipsis = "…"

// Shorten shortens a text to at most width columns. It leaves out the middle, so that
// a file name keeps its extension.
func Shorten(text string, width int) string { return shortenTo(text, width, (width-1)/3) }

// shortenTo keeps tail columns of the text's end.
func shortenTo(text string, width, tail int) string {
	switch {
	case textWidth(text) <= width:
		return text
	case width < 5:
		return clip(text, width-1) + clip(ellipsis, width)
	}
	end := text
	for textWidth(end) > tail {
		_, end, _, _ = uniseg.FirstGraphemeClusterInString(end, -1)
	}
	return clip(text, width-1-textWidth(end)) + ellipsis + end
}

// shortener shortens the names of a block. It remembers the last result, because the
// block is painted often and the names seldom change.
type shortener struct {
	width        int
	names, short []string
}

func (s *shortener) shorten(names []string, width int) []string {
	if s.width != width || !slices.Equal(s.names, names) {
		s.width, s.names, s.short = width, slices.Clone(names), shortenDistinct(names, width)
	}
	return s.short
}

// shortenDistinct shortens all names in the same place: where Shorten does, or if that
// makes different names alike, at their end, or further to the front or the back.
func shortenDistinct(names []string, width int) []string {
	usual := (width - 1) / 3
	tails := []int{usual, 0}
	for tail := usual + 1; tail < width-1; tail++ {
		tails = append(tails, tail)
	}
	for tail := usual - 1; tail > 0; tail-- {
		tails = append(tails, tail)
	}
	want := distinct(names)
	var best []string
	most := 0
	for _, tail := range tails {
		short := make([]string, len(names))
		for i, name := range names {
			short[i] = shortenTo(name, width, tail)
		}
		n := distinct(short)
		if n > most {
			best, most = short, n
		}
		if n == want {
			break
		}
	}
	return best
}

func distinct(texts []string) int {
	seen := make(map[string]bool, len(texts))
	for _, text := range texts {
		seen[text] = true
	}
	return len(seen)
}

func textWidth(s string) int { return uniseg.StringWidth(s) }

// clip cuts a text to width.
func clip(s string, width int) string {
	if textWidth(s) <= width {
		return s
	}
	end, used := 0, 0
	for rest := s; rest != ""; {
		cluster, after, w, _ := uniseg.FirstGraphemeClusterInString(rest, -1)
		if used += w; used > width {
			break
		}
		end += len(cluster)
		rest = after
	}
	return s[:end]
}
