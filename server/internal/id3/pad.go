package id3

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Reserve returns the size in bytes that the tag of Build has at most, whatever the
// times of the chapters and the duration turn out to be, and the warnings that do not
// depend on them. It is 0 if there is nothing to say.
func Reserve(src Source, keepAll bool) (size int, warnings []sx.Warning) {
	src.Chapters = slices.Clone(src.Chapters)
	for i, ch := range src.Chapters {
		src.Chapters[i].Title = cmp.Or(cleanLine(ch.Title), strconv.Itoa(maxChapters)) // the longest number
	}
	// All chapters are kept if they start at different times; of too many, those with the
	// longest titles are counted.
	slices.SortFunc(src.Chapters, func(a, b Chapter) int { return cmp.Compare(len(b.Title), len(a.Title)) })
	for i := range src.Chapters {
		src.Chapters[i].Start, src.Chapters[i].End = time.Duration(i)*time.Second, 0
	}
	src.Duration = 0
	tag, warnings := Build(src, keepAll)
	return len(tag), warnings
}

// Pad fills a tag up with padding (structure, section 3.3), so that it has the given
// size in bytes.
func Pad(tag []byte, size int) ([]byte, error) {
	if len(tag) == size {
		return tag, nil
	}
	if len(tag) == 0 {
		tag = newWriter().Bytes()
	}
	if len(tag) > size {
		return nil, fmt.Errorf("a tag of %d bytes is larger than %d", len(tag), size)
	}
	padded := make([]byte, size)
	copy(padded, tag)
	putSize(padded[6:], size-HeaderSize)
	return padded, nil
}
