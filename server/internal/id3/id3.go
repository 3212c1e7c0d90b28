// Package id3 makes the ID3v2.4 tag of an MP3 from the metadata of its source: tags,
// chapters and cover art. It edits such tags later, and reads the ID3 tags of audio
// files itself, because ffprobe's report on them is incomplete.
//
// Everything that comes from a source is bounded and sanitized here. The same input
// results in the same bytes.
//
// The formats are described in "ID3 tag version 2.4.0 - Main Structure" and "- Native
// Frames" (id3v2.4.0-structure.txt and -frames.txt), "ID3v2 Chapter Frame Addendum
// C1.0" and, for older tags, "ID3 tag version 2.3.0", "ID3 tag version 2" (2.2) and
// ID3v1.1; all of them are at https://id3.org/Developer_Information.
package id3

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Source is the metadata of a source.
type Source struct {
	// Demuxer is the name of ffmpeg's demuxer, which tells how tags are to be read.
	Demuxer string
	// Tags are those in ffprobe's report: the container's, and the stream's where they
	// are in the stream (Ogg). Earlier maps take precedence.
	Tags []map[string]string
	// Own is what Read found. It takes precedence over Tags.
	Own Tag
	// Language is the language of the chosen audio track, if known.
	Language string
	// Chapters are on the clock of the MP3, in any order.
	Chapters []Chapter
	// Duration is that of the MP3, at which chapters are clipped; 0 if unknown.
	Duration time.Duration
	// Cover is the file of the front cover (JPEG, PNG, WebP, BMP or GIF), or nil. See
	// Front.
	Cover []byte
	// Set replaces texts of the source, except where it is "".
	Set Texts
	// Number and Total say which MP3 this is, if several are made of the source; else 0.
	// Then Set is about this MP3, and what identifies the whole recording is left out.
	Number, Total int
	// Copied says that the audio is not encoded again, so that what is known about its
	// loudness still holds.
	Copied bool
}

// Limits in bytes, unless stated otherwise.
const (
	maxName     = 256      // a description in a frame
	maxLine     = 4 << 10  // a value of one line
	maxText     = 64 << 10 // comments and lyrics
	maxValues   = 256      // values of one frame
	maxFrames   = 1024     // frames without chapters
	maxTexts    = 1 << 20  // all frames without chapters and cover
	maxChapters = 10_000   // chapters
	maxTitle    = 512      // title of a chapter
	maxCover    = 16 << 20 // cover art, before and after conversion
)

// MaxSize is the maximum size of a tag in bytes. The limits above add up to less; the
// format allows 256 MiB.
const MaxSize = 24 << 20

// Build returns the complete tag, or nil if there is nothing to say, and warnings about
// what could not be kept. With keepAll, the tag also contains what is not on the list of
// tags to keep, except what would make a player play the MP3 wrongly.
func Build(src Source, keepAll bool) (tag []byte, warnings []sx.Warning) {
	c := newCollector(src, keepAll)
	c.replaced(src.Set)
	c.numbered(src.Number, src.Total)
	c.own(src.Own)
	c.reported(src.Tags)
	c.finish(src.Language)
	if c.cut {
		warnings = append(warnings, warning("some tags are very long and were shortened"))
	}

	w := newWriter()
	written, left := 0, maxTexts
	frames := c.sorted()
	for _, f := range frames {
		if size := w.size(f); written < maxFrames && size <= left {
			w.frame(f)
			written++
			left -= size
		}
	}
	if written < len(frames) {
		warnings = append(warnings, warning("there are too many tags; %d of %d were left out", len(frames)-written, len(frames)))
	}

	chapters, about := arrange(src.Chapters, src.Duration)
	warnings = append(warnings, about...)
	w.chapters(chapters)

	if len(src.Cover) > 0 {
		picture, mime, err := convertCover(src.Cover)
		if err != nil {
			warnings = append(warnings, warning("the cover art was left out: %v", err))
		} else {
			w.cover(picture, mime)
		}
	}
	return w.tag(), warnings
}

func warning(format string, args ...any) sx.Warning {
	return sx.NewWarning(sx.WarningTags, format, args...)
}
