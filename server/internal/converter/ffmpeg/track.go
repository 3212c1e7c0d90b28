package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/soundextract/sx/server/sx"
)

// choose finds the audio stream that sx.Options.Track asks for.
func (r *report) choose(want string) (stream, error) {
	sounds := r.sounds()
	if len(sounds) == 0 {
		return stream{}, sx.NewError(sx.CodeNoAudio, "the video has no audio track")
	}
	chosen, ok := pick(sounds, want)
	if !ok {
		names := make([]string, len(sounds))
		for i, s := range sounds {
			names[i] = fmt.Sprintf("%d: %s", i+1, s.describe())
		}
		return stream{}, sx.NewError(sx.CodeNoSuchTrack, "there is no audio track %s: the video has %s", want, strings.Join(names, "; "))
	}
	if !isSound(chosen.Codec) {
		codec := chosen.Codec
		if codec == "" {
			codec = "an unknown way"
		}
		return stream{}, sx.NewError(sx.CodeUnreadable, "the sound is encoded as %s, which cannot be converted", codec)
	}
	return chosen, nil
}

func pick(sounds []stream, want string) (stream, bool) {
	if n, err := strconv.Atoi(want); err == nil {
		if n < 1 || n > len(sounds) {
			return stream{}, false
		}
		return sounds[n-1], true
	}
	for _, s := range sounds {
		if want == "" && s.Is.Default == 1 || want != "" && sameLanguage(want, s.tag("language")) {
			return s, true
		}
	}
	if want == "" {
		return sounds[0], true
	}
	return stream{}, false
}

// sameLanguage compares language tags by what they mean: de, deu, ger and
// de-AT are the same. A region counts when both have one.
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
	if xb != yb || xc != language.Exact || yc != language.Exact { // "und" only guesses
		return false
	}
	xr, xc := x.Region()
	yr, yc := y.Region()
	return xr == yr || xc != language.Exact || yc != language.Exact
}

// describe names the stream as in "eng, aac 5.1".
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
