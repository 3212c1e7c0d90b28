package ffmpeg

import (
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/sx"
)

// sampleRates are the sample rates of MP3 in Hz: MPEG-2.5, MPEG-2 and MPEG-1.
var sampleRates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}

// sampleRate returns the sample rate of the MP3 for a source with the given rate: the
// same if MP3 supports it, else the next higher one, or the highest one.
func sampleRate(source int) int {
	switch {
	case source <= 0:
		return 44100
	case source > 48000 && source%44100 == 0:
		return 44100
	}
	i, _ := slices.BinarySearch(sampleRates, source)
	return sampleRates[min(i, len(sampleRates)-1)]
}

// capBitrate limits kbit/s to what the sample rate allows: 160 in MPEG-2, 64 in
// MPEG-2.5.
func capBitrate(kbps, rate int) int {
	switch {
	case rate <= 12000:
		return min(kbps, 64)
	case rate <= 24000:
		return min(kbps, 160)
	default:
		return kbps
	}
}

const maxBitrate = 320 // kbit/s

// copies reports whether the source is MP3 audio that can be copied without encoding.
func copies(o sx.Options, s *stream) bool {
	return s.Codec == "mp3" && !o.Mono && o.Start == 0 && o.End == 0 && o.Loudness == "" && !o.Split() && o.Bitrate == 0 && o.Quality == nil &&
		(o.Preset == "" || o.Preset == sx.PresetStandard || o.Preset == sx.PresetHigh)
}

func (c *conversion) programArgs() []string {
	return []string{
		"-nostdin", "-hide_banner", "-v", "warning", "-nostats", "-max_alloc", strconv.Itoa(maxAlloc), "-filter_threads", "1",
	}
}

// cpuLimit returns how much CPU time a program may use for audio of a length; 0 if it is
// unknown.
func (c *conversion) cpuLimit(length time.Duration) time.Duration {
	if length <= 0 {
		return c.cfg.MaxCPU
	}
	return min(max(length, c.cfg.MinCPU), c.cfg.MaxCPU)
}

// isFailure reports whether the program exited by itself with a failure, which no retry
// can change.
func isFailure(err error) bool {
	var exit *exec.ExitError
	if sx.CodeOf(err) != sx.CodeInternal || !errors.As(err, &exit) || wasKilled(exit) {
		return false
	}
	code := exit.ExitCode()
	return code < sandbox.ExitNotStarted || code > 127 // 126 and 127 are those of a shell and a loader
}
