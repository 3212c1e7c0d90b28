package ffmpeg

import (
	"errors"
	"fmt"
	"time"

	"github.com/soundextract/sx/server/internal/sniff"
	"github.com/soundextract/sx/server/sx"
)

// expectation is how long the sound should be. ffmpeg ends with success on an
// input that breaks off, so this is the only proof that all of it was there.
type expectation struct {
	duration time.Duration // 0 is unknown
	end      time.Duration // the same on the video's clock, which silence moves on too
	basis    basis
}

// basis is where an expectation comes from.
type basis int

const (
	// declared is the whole video's duration, which the sound need not fill.
	declared basis = iota
	// exact is what the file says of this stream.
	exact
	// measured is an estimate from the bytes that are there: it shrinks with a
	// file that is cut, and is wrong for one with gaps or an uneven bit rate.
	measured
)

// bases are the demuxers that give a stream a duration of its own; with the
// others only the whole has one.
var bases = map[string]basis{
	"mov": exact, "matroska": exact, "avi": exact, "flac": exact, "wav": exact, "w64": exact, "aiff": exact, "caf": exact,
	"mpegts": measured, "mpeg": measured, "ogg": measured, "mp3": measured, "aac": measured, "ac3": measured,
	"eac3": measured, "dts": measured, "amr": measured,
}

// expect reads the expectation for the stream out of the report.
func (r *report) expect(s stream, f sniff.Format) expectation {
	duration := time.Duration(s.Duration)
	if duration <= 0 {
		duration = clock(s.tag("DURATION")) // where Matroska keeps it
		if f.Demuxer == "matroska" && duration > 0 {
			// This one counts from the file's beginning, not from the stream's.
			return expectation{duration: duration - time.Duration(max(s.Start, 0)), end: duration, basis: exact}
		}
	}
	if duration > 0 {
		offset := max(0, time.Duration(s.Start-r.Format.Start))
		return expectation{duration: duration, end: duration + offset, basis: bases[f.Demuxer]}
	}
	whole := max(0, time.Duration(r.Format.Duration))
	return expectation{duration: whole, end: whole, basis: declared}
}

// clock parses 01:02:03.000000000; what is none is 0.
func clock(s string) time.Duration {
	var hours, minutes int
	var rest float64
	if _, err := fmt.Sscanf(s, "%d:%d:%f", &hours, &minutes, &rest); err != nil || hours < 0 || hours > 1e6 {
		return 0
	}
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(rest*float64(time.Second))
}

// tolerance is how much shorter an MP3 may be: encoders' delays and rounding,
// and in a long recording the odd lost packet.
func (w expectation) tolerance() time.Duration { return max(time.Second, w.duration/100) }

// check compares with the MP3's duration. More than expected is no loss. Less
// is none if ffmpeg's clock went on to the end: the recording has gaps.
func (w expectation) check(got, reached time.Duration, damage bool) error {
	switch {
	case got >= w.duration-w.tolerance(), reached >= w.end-w.tolerance(), w.basis == measured:
		return nil
	case w.basis == declared && !damage && reached >= w.end/10:
		return nil // the sound just ends before the picture
	}
	return sx.NewError(sx.CodeTruncated, "the file breaks off: %s of %s of sound are there",
		got.Round(100*time.Millisecond), w.duration.Round(100*time.Millisecond))
}

// emptyTrack explains an MP3 that has not a single frame.
func emptyTrack(err error, w expectation) error {
	switch {
	case !errors.Is(err, errNoSound):
		return err
	case w.basis == exact && w.duration > w.tolerance():
		return sx.NewError(sx.CodeTruncated, "the file breaks off: none of %s of sound are there",
			w.duration.Round(100*time.Millisecond))
	default:
		return sx.NewError(sx.CodeNoAudio, "the video's audio track is empty")
	}
}
