package ffmpeg

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/sx"
)

const (
	// shortestChapter is the shortest chapter that becomes an MP3 of its own. A shorter one
	// is usually a mark, or the parent of the one that begins at the same time.
	shortestChapter = time.Second
	// shortestRest is the shortest MP3 of what has no name of its own: what precedes the
	// first chapter, and what remains after the last whole length.
	shortestRest = 5 * time.Second
)

// part is what becomes one of several MP3s. It ends where the next one begins.
type part struct {
	from     int64         // its first sample, from the start of the section
	titled   bool          // it is a chapter
	title    string        // of the chapter
	chapters []id3.Chapter // in the part, from its start
}

// parts divides the recording as the options ask for: no sample is left out, and none is in
// two parts. d says how long the section is, and how its sound was moved. The result depends
// only on the options, the chapters and d.
func (e *encoding) parts(d decoded) ([]part, error) {
	list := []part{{}}
	c := &clock{rate: e.plan.Rate}
	chapters := ordered(e.withChapters(d.placed, 0).Chapters)
	switch {
	case e.options.SplitChapters:
		list = byChapter(chapters, c, c.samples(e.plan.section.from), d.written)
	case e.options.SplitEvery > 0:
		every := c.samples(time.Duration(e.options.SplitEvery * float64(time.Second)))
		last := d.written - c.samples(shortestRest) // where a part may begin
		if n := 1 + last/every; n > sx.MaxTracks {  // before there is a list: a header may claim a hundred years
			return nil, tooManyParts(n)
		}
		for at := every; at <= last; at += every {
			list = append(list, part{from: at})
		}
	}
	if len(list) > sx.MaxTracks {
		return nil, tooManyParts(int64(len(list)))
	}
	if len(list) == 1 {
		return []part{{}}, nil // an MP3 as without the option
	}
	for i := range list {
		s := section{from: e.plan.section.from + c.duration(list[i].from), to: e.plan.section.to}
		if i+1 < len(list) {
			s.to = e.plan.section.from + c.duration(list[i+1].from)
		}
		list[i].chapters = s.audible(chapters)
		if len(list[i].chapters) < 2 && e.options.SplitChapters {
			list[i].chapters = nil // the MP3 is this chapter
		}
	}
	return list, nil
}

func tooManyParts(n int64) error {
	return sx.NewError(sx.CodeOutputLimit, "there would be %d MP3s, but at most %d are possible", n, sx.MaxTracks).
		WithHint("split into longer parts with --split-every (split_every), or convert part of the recording with --start and --end")
}

// byChapter returns a part for each of the chapters, which are in their order. A part lasts
// until the next chapter begins, so that a gap belongs to the chapter before it. from and
// length are those of the section in samples.
func byChapter(chapters []id3.Chapter, c *clock, from, length int64) []part {
	list := []part{{}}
	for _, ch := range chapters {
		at, last := max(0, c.samples(ch.Start)-from), &list[len(list)-1]
		if at > 0 && at > length-c.samples(shortestChapter) {
			break
		}
		least := shortestRest
		if last.titled {
			least = shortestChapter
		}
		if at-last.from >= c.samples(least) {
			list = append(list, part{from: at})
			last = &list[len(list)-1]
		}
		last.titled, last.title = true, sx.CleanTag(ch.Title)
	}
	return list
}

// ordered returns the chapters in the order of their starts, without overlaps.
func ordered(all []id3.Chapter) []id3.Chapter {
	slices.SortStableFunc(all, func(a, b id3.Chapter) int { return cmp.Compare(a.Start, b.Start) })
	for i := range all[:max(0, len(all)-1)] {
		all[i].End = min(all[i].End, all[i+1].Start)
	}
	return all
}

// audible returns the section's chapters without those that are too short for a tag.
func (s section) audible(all []id3.Chapter) []id3.Chapter {
	return slices.DeleteFunc(s.chapters(all), func(ch id3.Chapter) bool {
		return ch.End.Truncate(time.Millisecond) <= ch.Start.Truncate(time.Millisecond)
	})
}

// sourceOf returns what the tag of a part is made of, except the duration.
func (e *encoding) sourceOf(list []part, i int) id3.Source {
	whole := e.source
	whole.Cover = nil
	tag, _ := id3.Build(whole, false)
	texts := id3.Main(tag)
	source := e.source
	source.Number, source.Total, source.Chapters = i+1, len(list), list[i].chapters
	source.Set.Album = cmp.Or(texts.Album, texts.Title)
	source.Set.Title = list[i].title
	if source.Set.Title == "" && texts.Title != "" {
		source.Set.Title = fmt.Sprintf("%s (%d/%d)", texts.Title, i+1, len(list))
	}
	return source
}
