package ffmpeg

import (
	"fmt"
	"time"

	"github.com/soundextract/sx/server/sniff"
)

// expectation is the duration that the MP3 should have. ffmpeg succeeds even if the
// input is truncated, so only the duration proves that all of it was converted.
type expectation struct {
	duration time.Duration // 0 if unknown
	end      time.Duration // its end on the video's clock, which also advances in gaps
	basis    basis
}

// basis is the source of an expectation.
type basis int

const (
	// declared is the duration of the whole video; the audio may be shorter.
	declared basis = iota
	// exact is the duration of this stream, from the file.
	exact
	// estimated is computed from the size: it is too short for a truncated file, and
	// wrong for one with gaps or a variable bit rate.
	estimated
)

// bases are the demuxers that report a duration for each stream; the others report
// only that of the whole file.
var bases = map[string]basis{
	"mov": exact, "matroska": exact, "avi": exact, "flac": exact, "wav": exact, "w64": exact, "aiff": exact, "caf": exact,
	"mpegts": estimated, "mpeg": estimated, "ogg": estimated, "mp3": estimated, "aac": estimated, "ac3": estimated,
	"eac3": estimated, "dts": estimated, "amr": estimated,
}

// expect returns the expectation for the stream.
func (r *report) expect(s stream, f sniff.Format) expectation {
	duration := time.Duration(s.Duration)
	if duration <= 0 {
		duration = parseTimestamp(s.tag("DURATION")) // Matroska
		if f.Demuxer == "matroska" && duration > 0 {
			// Counted from the start of the file, not of the stream.
			return expectation{duration: duration - time.Duration(max(s.Start, 0)), end: duration, basis: exact}
		}
	}
	if duration > 0 {
		offset := max(0, time.Duration(s.Start-r.Format.Start))
		return expectation{duration: duration, end: duration + offset, basis: bases[f.Demuxer]}
	}
	whole := max(0, time.Duration(r.Format.Duration))
	if f.Demuxer == "flv" { // counted from 0, even if the clock starts later
		whole = max(0, whole-time.Duration(max(0, r.Format.Start)))
	}
	return expectation{duration: whole, end: whole, basis: declared}
}

// parseTimestamp parses 01:02:03.000000000. It returns 0 for anything else.
func parseTimestamp(s string) time.Duration {
	var hours, minutes int
	var rest float64
	if _, err := fmt.Sscanf(s, "%d:%d:%f", &hours, &minutes, &rest); err != nil || hours < 0 || hours > 1e6 ||
		minutes < 0 || minutes >= 60 || !(rest >= 0 && rest < 60) {
		return 0
	}
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(rest*float64(time.Second))
}

// tolerance is how much shorter the MP3 may be, because of encoder delay, rounding and,
// in a long recording, lost packets.
func (w expectation) tolerance() time.Duration { return max(time.Second, w.duration/100) }
