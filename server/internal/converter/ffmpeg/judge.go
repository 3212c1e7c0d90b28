package ffmpeg

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// judge decides by what was decoded whether the result is complete. It returns warnings
// about what is missing, or an error if that is most of it.
func (p plan) judge(d decoded) ([]sx.Warning, error) {
	const unit = 100 * time.Millisecond
	expected := p.want.end
	if p.relative {
		expected = p.want.duration
	}
	for _, j := range d.jumps {
		expected -= j.by
	}
	got := d.duration()
	warnings := p.warnings
	switch {
	case d.samples == 0 && !d.damage:
		return nil, sx.NewError(sx.CodeNoAudio, "the video's audio track is empty")
	case d.samples == 0 && expected > 0:
		return nil, sx.NewError(sx.CodeTruncated, "the file is truncated: it has none of %s of audio", expected.Round(unit))
	case d.samples == 0:
		return nil, sx.NewError(sx.CodeTruncated, "the file is truncated: it has no audio")
	case !d.damage, p.want.basis == estimated, got >= expected-p.want.tolerance():
	case got < expected/2:
		return nil, sx.NewError(sx.CodeTruncated, "the file is truncated: it has %s of %s of audio", got.Round(unit), expected.Round(unit))
	default:
		warnings = append(warnings, sx.NewWarning(sx.WarningTruncated,
			"the file is truncated: it has %s of %s of audio", got.Round(unit), expected.Round(unit)))
	}
	if n := len(d.jumps); n > 0 {
		warnings = append(warnings, sx.NewWarning(sx.WarningClock,
			"the video's clock jumps %d times, first by %s at %s; the audio continues there without a pause",
			n, d.jumps[0].by.Round(unit), d.jumps[0].at.Round(unit)))
	}
	if d.opposed {
		warnings = append(warnings, sx.NewWarning(sx.WarningPhase,
			"left and right cancel each other out; one of them was inverted to make the mono sound"))
	}
	return warnings, nil
}
