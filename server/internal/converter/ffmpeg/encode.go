package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/sx"
)

// sampleRates are those of MP3 in Hz: MPEG-2.5, MPEG-2 and MPEG-1.
var sampleRates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}

// sampleRate is the output's for a source of the given rate: the same where
// MP3 has it, else one that loses nothing, or the largest that divides evenly.
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

// capBitrate lowers kbit/s to what the sample rate allows: MPEG-2 ends at 160,
// MPEG-2.5 at 64.
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

// copies reports whether the source is an MP3 that can be taken as it is.
func copies(o sx.Options, s *stream) bool {
	return s.Codec == "mp3" && !o.Mono && o.Bitrate == 0 && o.Quality == nil &&
		(o.Preset == "" || o.Preset == sx.PresetStandard || o.Preset == sx.PresetHigh)
}

// encoder gives the options of the audio encoder, and the most kbit/s that it
// puts out.
func encoder(o sx.Options, s *stream) ([]string, int) {
	if copies(o, s) {
		return []string{"-c:a", "copy"}, maxBitrate
	}
	rate := sampleRate(int(s.Rate))
	args := []string{"-c:a", "libmp3lame", "-ar", strconv.Itoa(rate)}
	switch {
	case o.Mono, o.Preset == sx.PresetSpeech:
		args = append(args, "-ac", "1")
	case s.Channels > 2:
		args = append(args, "-ac", "2")
	}
	kbps := o.Bitrate
	if kbps == 0 && o.Quality == nil {
		kbps = map[sx.Preset]int{sx.PresetSpeech: 64, sx.PresetSmall: 128, sx.PresetHigh: maxBitrate}[o.Preset]
	}
	if kbps > 0 {
		kbps = capBitrate(kbps, rate)
		return append(args, "-b:a", strconv.Itoa(kbps)+"k"), kbps
	}
	quality := 2
	if o.Quality != nil {
		quality = *o.Quality
	}
	return append(args, "-q:a", strconv.Itoa(quality)), maxBitrate
}

// junk are tags that describe the source file and would be wrong in the MP3.
var junk = []string{"major_brand", "minor_version", "compatible_brands", "encoder", "handler_name", "vendor_id", "duration"}

// output gives the part of the command line behind the input.
func (c *conversion) output(found *report, track *stream) (args []string, kbps int) {
	args = []string{"-map", "0:" + strconv.Itoa(track.Index)}
	if cover, ok := found.cover(); ok {
		args = append(
			args, "-map", "0:"+strconv.Itoa(cover.Index), "-c:v", "copy",
			"-metadata:s:v:0", "comment=Cover (front)", // the picture's type in ID3
		)
	}
	args = append(args, "-map_chapters", "0", "-map_metadata:g", "0:g")
	if c.format.Demuxer == "ogg" { // whose tags belong to the stream
		args = append(args, "-map_metadata:g", "0:s:"+strconv.Itoa(track.Index))
	}
	for _, tag := range junk {
		args = append(args, "-metadata:g", tag+"=")
	}
	codec, kbps := encoder(c.options, track)
	args = append(args, codec...)
	// bitexact leaves the version of ffmpeg out, so that the same video gives
	// the same bytes.
	args = append(
		args, "-flags:a", "+bitexact", "-fflags", "+bitexact",
		"-id3v2_version", "3", "-f", "mp3", "file:"+c.out,
	)
	return args, kbps
}

// outcome is what ffmpeg's run tells besides the MP3.
type outcome struct {
	reached time.Duration // how far the output's clock came
	damage  bool          // something was missing or broken in the input
}

// slack is what an MP3 may be larger than its sound: tags and a cover.
const slack = 32 << 20

func (c *conversion) encode(ctx context.Context, found *report, track stream, want expectation) (outcome, error) {
	args := []string{
		"-nostdin", "-hide_banner", "-v", "warning", "-nostats",
		"-progress", "pipe:1", "-stats_period", "0.5", "-max_alloc", strconv.Itoa(maxAlloc),
		"-filter_threads", "1",
	}
	args = append(append(args, c.input()...), "-i", c.in.URL)
	behind, kbps := c.output(found, &track)

	run := start{program: c.cfg.FFmpeg, args: append(args, behind...), time: c.cfg.MaxTime, file: c.cfg.MaxOutput}
	if want.basis == exact {
		run.time = max(c.cfg.MinTime, min(c.cfg.MaxTime, 10*want.duration))
		sound := int64(want.duration.Seconds() * float64(kbps) * 1000 / 8)
		run.file = min(c.cfg.MaxOutput, sound+sound/10+slack)
	}
	meter := &meter{begun: time.Now(), end: want.end, source: c.in, report: c.progress}
	run.stdout = meter
	said, err := c.execute(ctx, run)
	switch {
	case err == nil:
		return outcome{reached: meter.reached, damage: said.damage}, nil
	case c.in.Err() == nil && said.damage && isOrdinary(err) && meter.reached == 0:
		// Not one sample came out of it.
		return outcome{}, sx.NewError(sx.CodeUnreadable, "the sound (%s) cannot be decoded", track.Codec).WithCause(err)
	default:
		return outcome{}, err
	}
}

// isOrdinary reports whether the program ended by itself with a failure.
func isOrdinary(err error) bool {
	var exit *exec.ExitError
	return sx.CodeOf(err) == sx.CodeInternal && errors.As(err, &exit) && !died(exit)
}

// meter reads what ffmpeg's -progress prints: blocks of key=value lines.
type meter struct {
	begun  time.Time
	end    time.Duration // 0 is unknown
	source *source
	report func(converter.Progress)

	pending []byte
	reached time.Duration
}

// Write implements io.Writer.
func (m *meter) Write(p []byte) (int, error) {
	m.pending = append(m.pending, p...)
	for {
		line, rest, whole := bytes.Cut(m.pending, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		m.line(string(line))
		m.pending = rest
	}
}

func (m *meter) line(line string) {
	key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
	switch key {
	case "out_time_us": // out_time_ms is in microseconds too
		if us, err := strconv.ParseInt(value, 10, 64); err == nil {
			m.reached = max(m.reached, time.Duration(us)*time.Microsecond)
		}
	case "progress": // ends a block
		share := m.source.Position()
		if m.end > 0 {
			share = float64(m.reached) / float64(m.end)
		}
		share = max(0, min(share, 1))
		p := converter.Progress{Percent: 100 * share}
		if share > 0 {
			p.Remaining = time.Duration(float64(time.Since(m.begun)) * (1 - share) / share)
		}
		m.report(p)
	}
}
