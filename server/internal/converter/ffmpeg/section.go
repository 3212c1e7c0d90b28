package ffmpeg

import (
	"errors"
	"io"
	"time"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/sx"
)

// section is the part of a recording that becomes the MP3, from the start of the recording.
type section struct {
	from time.Duration
	to   time.Duration // 0 means the end of the recording
}

func newSection(o sx.Options) section {
	seconds := func(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
	return section{seconds(o.Start), seconds(o.End)}
}

// length returns how much of a recording of the duration is in the section. An unknown
// duration, 0, gives 0.
func (s section) length(d time.Duration) time.Duration {
	if s.to > 0 {
		d = min(d, s.to)
	}
	return max(0, d-s.from)
}

// chapters returns the chapters that are in the section of a recording, counted from its
// start.
func (s section) chapters(all []id3.Chapter) []id3.Chapter {
	var inside []id3.Chapter
	for _, ch := range all {
		if s.to > 0 {
			ch.End = min(ch.End, s.to)
		}
		if ch.End > s.from && ch.End > ch.Start {
			ch.Start, ch.End = max(0, ch.Start-s.from), ch.End-s.from
			inside = append(inside, ch)
		}
	}
	return inside
}

// errSectionEnd says that the section is complete, so that no more needs to be decoded.
var errSectionEnd = errors.New("the section is complete")

// sectionWriter passes on the PCM of a section.
type sectionWriter struct {
	w       io.Writer
	skip    int64 // bytes before the section
	left    int64 // bytes of the section, or below 0 without an end
	written int64 // bytes
}

// newSectionWriter returns a writer for PCM whose samples, of all channels, have
// that many bytes.
func newSectionWriter(w io.Writer, s section, c *clock, sample int) *sectionWriter {
	sw := &sectionWriter{w: w, skip: c.samples(s.from) * int64(sample), left: -1}
	if s.to > 0 {
		sw.left = c.samples(s.to)*int64(sample) - sw.skip
	}
	return sw
}

// Write implements io.Writer. Its error is errSectionEnd after the last byte.
func (s *sectionWriter) Write(p []byte) (int, error) {
	all := len(p)
	n := min(s.skip, int64(len(p)))
	s.skip -= n
	p = p[n:]
	if s.left >= 0 {
		p = p[:min(s.left, int64(len(p)))]
		s.left -= int64(len(p))
	}
	s.written += int64(len(p))
	if len(p) > 0 {
		if _, err := s.w.Write(p); err != nil {
			return 0, err
		}
	}
	if s.left == 0 {
		return 0, errSectionEnd
	}
	return all, nil
}
