package ffmpeg

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/tracks"
	"github.com/soundextract/sx/server/sx"
)

// choose returns the audio streams that sx.Options.Track selects, the best first. If the
// best one cannot be decoded, the others may be used instead.
func (r *report) choose(want string) ([]stream, error) {
	streams := r.audioStreams()
	if len(streams) == 0 {
		return nil, sx.NewError(sx.CodeNoAudio, "the video has no audio track")
	}
	chosen := pick(streams, want)
	if len(chosen) == 0 {
		names := make([]string, len(streams))
		for i, s := range streams {
			names[i] = fmt.Sprintf("%d: %s", i+1, s.describe())
		}
		return nil, sx.NewError(sx.CodeNoSuchTrack, "audio track %s not found; the video has %s", want, strings.Join(names, "; "))
	}
	return chosen, nil
}

// decodable returns the streams with a codec that may be decoded. It returns an error if
// there is none.
func decodable(streams []stream) ([]stream, error) {
	good := slices.DeleteFunc(slices.Clone(streams), func(s stream) bool { return !isAudio(s.Codec) || s.Channels > maxChannels })
	if len(good) > 0 {
		return good, nil
	}
	first := streams[0]
	switch {
	case first.Channels > maxChannels:
		return nil, sx.NewError(sx.CodeUnreadable, "the audio has %d channels; at most %d are supported", first.Channels, maxChannels)
	case first.Codec == "" || first.Codec == "unknown":
		return nil, sx.NewError(sx.CodeUnreadable, "the audio codec of this track is not supported")
	}
	return nil, sx.NewError(sx.CodeUnreadable, "the audio codec %s is not supported", first.Codec)
}

// pick returns the wanted streams, the best first.
func pick(streams []stream, want string) []stream {
	all := make([]tracks.Track, len(streams))
	for i, s := range streams {
		all[i] = s.choice()
	}
	var chosen []stream
	for _, i := range tracks.Pick(all, want) {
		chosen = append(chosen, streams[i])
	}
	return chosen
}

// choice returns what the choice of a track depends on.
func (s *stream) choice() tracks.Track {
	return tracks.Track{
		Language: s.tag("language"),
		Titles:   []string{s.tag("title"), s.tag("handler_name")},
		Default:  s.Is.Default > 0,
		Extra:    s.Is.Comment+s.Is.VisualImpaired+s.Is.HearingImpaired+s.Is.Descriptions+s.Is.CleanEffects+s.Is.Karaoke > 0,
	}
}

// isExtra reports whether the stream has commentary, audio description or only part of
// the sound.
func (s *stream) isExtra() bool { return s.choice().IsExtra() }

// describe describes the stream, for example "eng, aac 5.1".
func (s *stream) describe() string {
	var b strings.Builder
	if lang := tracks.Language(s.tag("language")); lang != "" && lang != "und" {
		b.WriteString(lang + ", ")
	}
	if s.Codec == "" {
		b.WriteString("unknown codec")
	}
	b.WriteString(s.Codec)
	switch layout, _, _ := strings.Cut(s.Layout, "("); {
	case layout != "":
		b.WriteString(" " + layout)
	case s.Channels == 1:
		b.WriteString(" mono")
	case s.Channels > 0:
		fmt.Fprintf(&b, " %d channels", s.Channels)
	}
	if title := s.tag("title"); title != "" {
		fmt.Fprintf(&b, " %.40q", title)
	}
	return b.String()
}

// channelTracks returns the tracks with one channel each that together are the sound of a
// recording, as in MXF and in QuickTime files of editing software, if chosen is one of
// them. It returns nil if there are none.
func (r *report) channelTracks(chosen stream, demuxer string) []stream {
	if demuxer != "mxf" && demuxer != "mov" {
		return nil
	}
	const near = 100 * time.Millisecond
	var tracks []stream
	for _, s := range r.audioStreams() {
		if s.Channels != 1 || s.Codec != chosen.Codec || s.Rate != chosen.Rate || s.isExtra() ||
			s.tag("language") != chosen.tag("language") ||
			time.Duration(s.Start-chosen.Start).Abs() > near || time.Duration(s.Duration-chosen.Duration).Abs() > near ||
			!isPCM(s.Codec) && s.label() == "" {
			return nil
		}
		tracks = append(tracks, s)
	}
	if len(tracks) < 2 || len(tracks) > maxChannels {
		return nil
	}
	return tracks
}

// label returns the position of a track's only channel, or "".
func (s *stream) label() string {
	_, list, ok := strings.Cut(s.Layout, "channels (")
	name := strings.TrimSuffix(list, ")")
	if !ok || !slices.ContainsFunc(speakers, func(s speaker) bool { return s.name == name }) {
		return ""
	}
	return name
}

// mixTracks returns the matrix for channelTracks: by their labels, or else as 5.1 if there
// are six, or else alternately left and right.
func mixTracks(tracks []stream) []speaker {
	labels := make([]string, len(tracks))
	for i, s := range tracks {
		labels[i] = s.label()
	}
	slices.Sort(labels)
	if labels[0] != "" && len(slices.Compact(labels)) == len(tracks) {
		for i, s := range tracks {
			labels[i] = s.label()
		}
		return numbered(labels)
	}
	if len(tracks) == 6 {
		return unplaced(6)
	}
	m := make([]speaker, len(tracks))
	for i := range m {
		m[i] = speaker{fmt.Sprintf("c%d", i), float64(1 - i%2), float64(i % 2)}
	}
	return m
}
