package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/soundextract/sx/server/sx"
)

// choose returns the audio stream that sx.Options.Track selects.
func (r *report) choose(want string) (stream, error) {
	streams := r.audioStreams()
	if len(streams) == 0 {
		return stream{}, sx.NewError(sx.CodeNoAudio, "the video has no audio track")
	}
	chosen, ok := pick(streams, want)
	if !ok {
		names := make([]string, len(streams))
		for i, s := range streams {
			names[i] = fmt.Sprintf("%d: %s", i+1, s.describe())
		}
		return stream{}, sx.NewError(sx.CodeNoSuchTrack, "audio track %s not found; the video has %s", want, strings.Join(names, "; "))
	}
	if !isAudio(chosen.Codec) {
		codec := chosen.Codec
		if codec == "" {
			codec = "of this track"
		}
		return stream{}, sx.NewError(sx.CodeUnreadable, "the audio codec %s is not supported", codec)
	}
	return chosen, nil
}

func pick(streams []stream, want string) (stream, bool) {
	if n, err := strconv.Atoi(want); err == nil {
		if n < 1 || n > len(streams) {
			return stream{}, false
		}
		return streams[n-1], true
	}
	for _, s := range streams {
		if want == "" && s.Is.Default == 1 || want != "" && sameLanguage(want, s.tag("language")) {
			return s, true
		}
	}
	if want == "" {
		return streams[0], true
	}
	return stream{}, false
}

// sameLanguage compares language tags by their meaning: de, deu, ger and de-AT are the
// same. Regions are compared only if both tags have one.
func sameLanguage(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	x, errX := language.Parse(a)
	y, errY := language.Parse(b)
	if errX != nil || errY != nil {
		return false
	}
	xb, xc := x.Base()
	yb, yc := y.Base()
	if xb != yb || xc != language.Exact || yc != language.Exact { // und is only a guess
		return false
	}
	xr, xc := x.Region()
	yr, yc := y.Region()
	return xr == yr || xc != language.Exact || yc != language.Exact
}

// describe describes the stream, for example "eng, aac 5.1".
func (s *stream) describe() string {
	var b strings.Builder
	if lang := s.tag("language"); lang != "" && lang != "und" {
		b.WriteString(lang + ", ")
	}
	b.WriteString(s.Codec)
	switch layout, _, _ := strings.Cut(s.Layout, "("); {
	case layout != "":
		b.WriteString(" " + layout)
	case s.Channels > 0:
		fmt.Fprintf(&b, " %d channels", s.Channels)
	}
	if title := s.tag("title"); title != "" {
		fmt.Fprintf(&b, " %.40q", title)
	}
	return b.String()
}
