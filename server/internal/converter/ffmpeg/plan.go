package ffmpeg

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// plan is what the probe decided.
type plan struct {
	// Rate in Hz and Channels (1 or 2) are those of the MP3 and of the PCM.
	Rate, Channels int
	// Copy says that the source is an MP3 stream that can be copied without encoding.
	Copy bool

	found    *report
	track    stream
	filter   string // from the track to PCM at Rate, with 1 or 2 channels
	decoded  int    // channels of the filter's output
	origin   time.Duration
	relative bool          // there is no picture: the audio itself begins at 0
	lead     time.Duration // from origin to the start of the picture
	want     expectation
	warnings []sx.Warning
}

// Expected returns the duration that the file declares for the result; 0 if unknown.
func (p plan) Expected() time.Duration { return p.want.end }

// plan probes the video and decides how to convert it.
func (c *conversion) plan(ctx context.Context) (plan, error) {
	found, err := c.probe(ctx)
	if err != nil {
		return plan{}, err
	}
	track, err := found.choose(c.options.Track)
	if err != nil {
		return plan{}, err
	}
	p := plan{
		Rate: sampleRate(int(track.Rate)), Copy: copies(c.options, &track),
		found: found, track: track, decoded: min(max(track.Channels, 1), 2),
		want: found.expect(track, c.format),
	}
	p.Channels = p.decoded
	if c.options.Mono || c.options.Preset == sx.PresetSpeech {
		p.Channels = 1
	}
	p.origin, p.lead, p.relative = found.origin()
	p.filter = fmt.Sprintf("aformat=sample_fmts=fltp,%s,aresample=%d,aformat=sample_fmts=flt:channel_layouts=%s,%s",
		mix(track), p.Rate, map[int]string{1: "mono", 2: "stereo"}[p.decoded], stamp)
	return p, nil
}

// origin returns the time on the file's clock that is 0 in the result, which is where
// players begin, and how much later the picture starts. relative says that there is no
// picture, so that the result begins with the first sample of the audio.
func (r *report) origin() (origin, lead time.Duration, relative bool) {
	const none = time.Duration(math.MaxInt64)
	audio, picture := none, none
	for _, s := range r.Streams {
		switch {
		case s.Type == "audio":
			audio = min(audio, time.Duration(s.Start))
		case s.Type == "video" && s.Is.Cover == 0:
			picture = min(picture, r.start(s))
		}
	}
	origin = min(audio, picture)
	// Audio that begins shortly before 0 is what the encoder put in front.
	if origin < 0 && origin > -time.Second {
		origin = 0
	}
	if picture == none {
		return origin, 0, true
	}
	return origin, max(0, picture-origin), false
}
