package ffmpeg

import (
	"slices"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// minErrors is the number of undecodable packets from which they are worth a warning.
// Recordings of broadcasts begin and end with some.
const minErrors = 5

// checkComplete decides from what was decoded whether the result is complete. It returns
// warnings about what is missing, or an error if that is most of it.
func (p plan) checkComplete(d decoded) ([]sx.Warning, error) {
	if p.joined != nil {
		return p.checkJoined(d)
	}
	warnings := append(slices.Clone(p.warnings), d.warnings...)
	warn := func(code, format string, args ...any) {
		warnings = append(warnings, sx.NewWarning(code, format, args...))
	}
	got, expected := d.duration(), p.expected(d)
	// FLAC and other formats of one stream state its length, and a truncated file ends
	// within a packet, which cannot be decoded.
	broken := p.relative && p.want.basis == exact && d.errors > 0
	cut := !d.complete && (d.cut || broken || p.shape.end > p.size)
	whole := !cut || expected > 0 && got >= expected-p.want.tolerance() || broken && expected == 0
	early := p.section.from > 0 && d.written == 0 && d.samples > 0 // it ends before the section

	switch {
	case d.samples == 0 && !cut:
		return nil, sx.NewError(sx.CodeNoAudio, "the video's audio track is empty")
	case early && !whole && expected == 0:
		return nil, sx.NewError(sx.CodeTruncated, "the file is truncated: it ends at %s, before the start at %s", round(got), round(p.section.from))
	case early && !whole && expected > p.section.from:
		return nil, sx.NewError(sx.CodeTruncated, "the file is truncated: it has %s of %s of audio, and ends before the start at %s",
			round(got), round(expected), round(p.section.from))
	case early:
		return nil, endsBefore(got, p.section)
	case d.samples == 0:
		return nil, sx.NewError(sx.CodeTruncated, "the file is truncated: it has none of %s of audio", round(expected))
	case whole:
	case got < expected/2:
		return nil, sx.NewError(sx.CodeTruncated, "the file is truncated: it has %s of %s of audio", round(got), round(expected))
	case expected > 0:
		warn(sx.WarningTruncated, "the file is truncated: it has %s of %s of audio", round(got), round(expected))
	default:
		warn(sx.WarningTruncated, "the file ends in the middle of a packet; whatever followed is missing")
	}
	if d.errors >= minErrors && !d.reported {
		warnings = append(warnings, damaged("", d.errors))
	}
	if d.unfilled > 0 {
		warn(sx.WarningClock, "the video claims %s more silence than is credible, which was left out", round(d.unfilled))
	} else if n := len(d.jumps); n > 0 {
		warn(sx.WarningClock, "the video's clock jumps %d times, first by %s at %s; the audio continues there without a pause",
			n, round(d.jumps[0].by), round(d.jumps[0].at))
	}
	if d.opposed {
		warnings = append(warnings, opposed())
	}
	return warnings, nil
}

// expected returns the duration that the result would have if the file was complete; 0 if
// unknown.
func (p plan) expected(d decoded) time.Duration {
	expected := p.want.end
	if p.relative {
		expected = p.want.duration
	}
	if p.shape.end > p.size {
		// The rest is probably as dense as what is there. The file's duration can be more
		// exact, unless it is that of the picture, or computed from the size.
		dense := time.Duration(float64(d.duration()) * float64(p.shape.end) / float64(max(p.size, 1)))
		if p.want.basis == exact && expected < dense || p.want.basis != exact && (expected-dense).Abs() > dense/3 {
			expected = dense
		}
	}
	for _, j := range d.jumps {
		expected -= j.by
	}
	return max(0, expected)
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

func endsBefore(got time.Duration, s section) *sx.Error {
	return sx.NewError(sx.CodeNoAudio, "the recording ends at %s, before the start at %s", round(got), round(s.from)).
		WithHint("choose an earlier start")
}

// damaged returns the warning of packets that could not be decoded. name is that of the file
// with a colon, or "".
func damaged(name string, errors int) sx.Warning {
	return sx.NewWarning(sx.WarningDamaged, "%sthe file is damaged: %d packets of audio could not be decoded", name, errors)
}

func opposed() sx.Warning {
	return sx.NewWarning(sx.WarningPhase, "left and right cancel each other out; one of them was inverted to make the mono sound")
}
