package id3

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"time"
)

// Parse reads the tag at the beginning of an MP3. It is empty if there is none.
func Parse(tag []byte) (t Tag) {
	if h, ok := parseHeader(tag, "ID3"); ok {
		h.read(&t, tag[HeaderSize:])
	}
	return t
}

// chapterTimes is the size of the times and offsets in a chapter frame (chapter addendum,
// section 3.1).
const chapterTimes = 16

// Chapters returns the chapters of a tag of version 2.4, by their starts.
func (t Tag) Chapters() (chapters []Chapter) {
	for _, f := range t.Frames {
		if f.ID != "CHAP" {
			continue
		}
		_, rest, _ := bytes.Cut(f.Data, []byte{0}) // after the chapter's ID
		if len(rest) < chapterTimes {
			continue
		}
		at := func(i int) time.Duration {
			return time.Duration(binary.BigEndian.Uint32(rest[i:])) * time.Millisecond
		}
		c := Chapter{Start: at(0), End: at(4)}
		var sub Tag
		header{version: 4}.read(&sub, rest[chapterTimes:])
		for _, f := range sub.Frames {
			if f.ID == "TIT2" && len(f.Values) > 0 {
				c.Title = shorten(cleanLine(f.Values[0]), maxTitle)
			}
		}
		chapters = append(chapters, c)
	}
	slices.SortStableFunc(chapters, func(a, b Chapter) int { return cmp.Compare(a.Start, b.Start) })
	return chapters
}
