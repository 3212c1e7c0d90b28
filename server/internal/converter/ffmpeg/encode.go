package ffmpeg

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strconv"

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
func encoder(o sx.Options, rate int) ([]string, int) {
	args := []string{"-c:a", "libmp3lame"}
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

// output returns the part of the command line after the inputs, of which input is the
// video.
func (c *conversion) output(p plan, input string, codec []string) []string {
	var args []string
	if cover, ok := p.found.cover(); ok {
		args = append(
			args, "-map", input+":"+strconv.Itoa(cover.Index), "-c:v", "copy",
			"-metadata:s:v:0", "comment=Cover (front)", // the picture's type in ID3
		)
	}
	args = append(args, "-map_chapters", input, "-map_metadata:g", input+":g")
	if c.format.Demuxer == "ogg" { // where the tags are in the stream
		args = append(args, "-map_metadata:g", input+":s:"+strconv.Itoa(p.track.Index))
	}
	for _, tag := range droppedTags {
		args = append(args, "-metadata:g", tag+"=")
	}
	args = append(args, codec...)
	// bitexact omits ffmpeg's version, so that the same video results in the same bytes.
	return append(
		args, "-flags:a", "+bitexact", "-fflags", "+bitexact",
		"-id3v2_version", "3", "-f", "mp3", "file:"+c.out,
	)
}

// maxMetadata is the maximum size of tags and cover in bytes.
const maxMetadata = 32 << 20

// copy copies the MP3 stream of the video.
func (c *conversion) copy(ctx context.Context, p plan) (decoded, error) {
	args := append(c.programArgs(), c.input()...)
	args = append(args, "-i", c.in.URL, "-map", "0:"+strconv.Itoa(p.track.Index))
	args = append(args, c.output(p, "0", []string{"-c:a", "copy"})...)
	stderr, err := c.execute(ctx, c.encoding(p, maxBitrate, command{args: args}))
	if err != nil {
		return decoded{}, err
	}
	duration, err := mp3Duration(c.out)
	if errors.Is(err, errNoFrame) {
		return decoded{damage: stderr.damage}, nil
	}
	d := decoded{rate: p.Rate, damage: stderr.damage}
	d.samples = (&clock{rate: p.Rate}).samples(duration)
	d.decoded = d.samples
	return d, err
}

func (c *conversion) programArgs() []string {
	return []string{
		"-nostdin", "-hide_banner", "-v", "warning", "-nostats", "-max_alloc", strconv.Itoa(maxAlloc), "-filter_threads", "1",
	}
}

// encode encodes PCM and writes the MP3.
func (c *conversion) encode(ctx context.Context, p plan, pcm io.Reader) error {
	args := append(c.programArgs(), "-f", "f32le", "-ar", strconv.Itoa(p.Rate), "-ac", strconv.Itoa(p.Channels), "-i", "pipe:0")
	args = append(append(args, c.input()...), "-i", c.in.URL, "-map", "0:a")
	codec, kbps := encoder(c.options, p.Rate)
	args = append(args, c.output(p, "1", codec)...)
	_, err := c.execute(ctx, c.encoding(p, kbps, command{args: args, stdin: pcm}))
	return err
}

// encoding sets the program and the limits of a run that writes the MP3.
func (c *conversion) encoding(p plan, kbps int, run command) command {
	run.program, run.timeout, run.maxFile = c.cfg.FFmpeg, c.cfg.MaxTime, c.cfg.MaxOutput
	if p.want.basis == exact {
		run.timeout = max(c.cfg.MinTime, min(c.cfg.MaxTime, 10*p.want.duration))
		audio := int64(p.want.end.Seconds() * float64(kbps) * 1000 / 8)
		run.maxFile = min(c.cfg.MaxOutput, audio+audio/10+maxMetadata)
	}
	return run
}

// isFailure reports whether the program exited by itself with a failure.
func isFailure(err error) bool {
	var exit *exec.ExitError
	return sx.CodeOf(err) == sx.CodeInternal && errors.As(err, &exit) && !wasKilled(exit)
}
