package sx

import (
	"math"
	"strconv"
)

// MaxPosition is the largest start or end of a part of a recording in seconds: 1000 h.
const MaxPosition = 3_600_000

// checkRange checks Start and End.
func (o Options) checkRange() error {
	for _, v := range []float64{o.Start, o.End} {
		if math.IsNaN(v) || v < 0 || v > MaxPosition {
			return NewError(CodeInvalid, "%g s is not a position in a recording", v).
				WithHint("start and end must be between 0 and 1000 hours")
		}
	}
	if o.End > 0 && o.End <= o.Start {
		return NewError(CodeInvalid, "the end, %g s, is not after the start, %g s", o.End, o.Start).
			WithHint("choose an end after the start; both count from the beginning of the recording")
	}
	return nil
}

// Split reports whether the recording may become several MP3s.
func (o Options) Split() bool { return o.SplitChapters || o.SplitEvery > 0 }

// MinSplit is the shortest SplitEvery in seconds.
const MinSplit = 60

// checkSplit checks SplitChapters and SplitEvery.
func (o Options) checkSplit() error {
	switch {
	case o.SplitChapters && o.SplitEvery != 0:
		return NewError(CodeInvalid, "splitting by chapters and by time are mutually exclusive").
			WithHint("use either chapters or a length")
	case o.SplitEvery != 0 && !(o.SplitEvery >= MinSplit && o.SplitEvery <= MaxPosition):
		return NewError(CodeInvalid, "%g s is not a length to split by", o.SplitEvery).
			WithHint("choose a length from %d s to 1000 hours", MinSplit)
	}
	return nil
}

// FormatSeconds formats a number of seconds to the millisecond, without zeros at the end. It
// returns "" for 0.
func FormatSeconds(v float64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
}

// LoudnessAuto selects -16 LUFS for stereo and -19 for mono, so that both sound equally
// loud from two loudspeakers.
const LoudnessAuto = "auto"

// Limits of a loudness in LUFS.
const (
	minLoudness = -40
	maxLoudness = -8
)

// LoudnessTarget returns the integrated loudness in LUFS (ITU-R BS.1770) of an MP3 with
// that many channels, or 0 if the options leave it as it is. Its error is an Error of code
// invalid.
func (o Options) LoudnessTarget(channels int) (float64, error) {
	switch o.Loudness {
	case "":
		return 0, nil
	case LoudnessAuto:
		if channels == 1 {
			return -19, nil
		}
		return -16, nil
	}
	v, err := strconv.ParseFloat(o.Loudness, 64)
	if err != nil || !(v >= minLoudness && v <= maxLoudness) {
		return 0, NewError(CodeInvalid, "invalid loudness %q", CleanLine(o.Loudness, 40)).
			WithHint("use auto, or a number of LUFS from %d to %d, such as -16", minLoudness, maxLoudness)
	}
	return v, nil
}
