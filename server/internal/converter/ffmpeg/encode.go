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
	return s.Codec == "mp3" && !o.Mono && o.Bitrate == 0 && o.Quality == nil &&
		(o.Preset == "" || o.Preset == sx.PresetStandard || o.Preset == sx.PresetHigh)
}

// encoder returns the options of the audio encoder, and its maximum bit rate in
// kbit/s.
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

// droppedTags are tags that describe the source file and would be wrong in the MP3.
var droppedTags = []string{"major_brand", "minor_version", "compatible_brands", "encoder", "handler_name", "vendor_id", "duration"}

// output returns the part of the command line after the input.
func (c *conversion) output(found *report, track *stream) (args []string, kbps int) {
	args = []string{"-map", "0:" + strconv.Itoa(track.Index)}
	if cover, ok := found.cover(); ok {
		args = append(
			args, "-map", "0:"+strconv.Itoa(cover.Index), "-c:v", "copy",
			"-metadata:s:v:0", "comment=Cover (front)", // the picture's type in ID3
		)
	}
	args = append(args, "-map_chapters", "0", "-map_metadata:g", "0:g")
	if c.format.Demuxer == "ogg" { // where the tags are in the stream
		args = append(args, "-map_metadata:g", "0:s:"+strconv.Itoa(track.Index))
	}
	for _, tag := range droppedTags {
		args = append(args, "-metadata:g", tag+"=")
	}
	codec, kbps := encoder(c.options, track)
	args = append(args, codec...)
	// bitexact omits ffmpeg's version, so that the same video results in the same bytes.
	args = append(
		args, "-flags:a", "+bitexact", "-fflags", "+bitexact",
		"-id3v2_version", "3", "-f", "mp3", "file:"+c.out,
	)
	return args, kbps
}

// outcome is what ffmpeg reported besides the MP3.
type outcome struct {
	reached time.Duration // on the output's clock
	damage  bool          // the input was truncated or damaged
}

// maxMetadata is the maximum size of tags and cover in bytes.
const maxMetadata = 32 << 20

func (c *conversion) encode(ctx context.Context, found *report, track stream, want expectation) (outcome, error) {
	args := []string{
		"-nostdin", "-hide_banner", "-v", "warning", "-nostats",
		"-progress", "pipe:1", "-stats_period", "0.5", "-max_alloc", strconv.Itoa(maxAlloc),
		"-filter_threads", "1",
	}
	args = append(append(args, c.input()...), "-i", c.in.URL)
	behind, kbps := c.output(found, &track)

	run := command{program: c.cfg.FFmpeg, args: append(args, behind...), timeout: c.cfg.MaxTime, maxFile: c.cfg.MaxOutput}
	if want.basis == exact {
		run.timeout = max(c.cfg.MinTime, min(c.cfg.MaxTime, 10*want.duration))
		audio := int64(want.duration.Seconds() * float64(kbps) * 1000 / 8)
		run.maxFile = min(c.cfg.MaxOutput, audio+audio/10+maxMetadata)
	}
	reader := &progressReader{start: time.Now(), end: want.end, source: c.in, report: c.progress}
	run.stdout = reader
	stderr, err := c.execute(ctx, run)
	switch {
	case err == nil:
		return outcome{reached: reader.reached, damage: stderr.damage}, nil
	case c.in.Err() == nil && stderr.damage && isFailure(err) && reader.reached == 0:
		// Not a single sample was decoded.
		return outcome{}, sx.NewError(sx.CodeUnreadable, "the audio (%s) cannot be decoded", track.Codec).WithCause(err)
	default:
		return outcome{}, err
	}
}

// isFailure reports whether the program exited by itself with a failure.
func isFailure(err error) bool {
	var exit *exec.ExitError
	return sx.CodeOf(err) == sx.CodeInternal && errors.As(err, &exit) && !wasKilled(exit)
}

// progressReader parses the output of ffmpeg's -progress: blocks of key=value lines.
type progressReader struct {
	start  time.Time
	end    time.Duration // 0 if unknown
	source *source
	report func(converter.Progress)

	pending []byte
	reached time.Duration
}

// Write implements io.Writer.
func (m *progressReader) Write(p []byte) (int, error) {
	m.pending = append(m.pending, p...)
	for {
		line, rest, complete := bytes.Cut(m.pending, []byte("\n"))
		if !complete {
			return len(p), nil
		}
		m.line(string(line))
		m.pending = rest
	}
}

func (m *progressReader) line(line string) {
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
			p.Remaining = time.Duration(float64(time.Since(m.start)) * (1 - share) / share)
		}
		m.report(p)
	}
}
