package ffmpeg

import (
	"context"
	"math"
	"slices"
	"strings"
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
	tracks   []stream // the best first; the others are for the case that it cannot be decoded
	channels []stream // tracks of one channel each that are decoded together, or nil
	decoded  int      // channels that the decoder delivers, 1 or 2
	origin   time.Duration
	relative bool          // there is no picture: the audio itself begins at 0
	lead     time.Duration // from origin to the start of the picture
	want     expectation
	section  section
	size     int64 // of the file, in bytes
	shape    structure
	warnings []sx.Warning
	joined   []joinedFile // the files that are joined, each with a plan of its own; nil if there is one
}

// Expected returns the duration that the file declares for the result; 0 if unknown.
func (p plan) Expected() time.Duration { return p.want.end }

// plan probes the video and decides how to convert it.
func (c *conversion) plan(ctx context.Context) (plan, error) {
	if c.files != nil {
		return c.planJoined(ctx)
	}
	found, err := c.probe(ctx)
	if err != nil {
		return plan{}, err
	}
	chosen, err := found.choose(c.options.Track)
	if err != nil {
		return plan{}, err
	}
	tracks, err := decodable(chosen)
	if err != nil {
		return plan{}, err
	}
	track := tracks[0]
	p := plan{
		Rate: sampleRate(int(track.Rate)), Copy: copies(c.options, &track), found: found, tracks: tracks,
		decoded: min(max(track.Channels, 1), 2), want: found.expect(track, c.format),
		section: newSection(c.options), size: c.end - c.base, shape: examine(c.content(), c.end-c.base, c.format.Demuxer),
	}
	if track.Index != chosen[0].Index {
		p.warnings = append(p.warnings, found.otherTrack(chosen[0], track))
	}
	if c.options.Track == "" {
		p.channels = found.channelTracks(track, c.format.Demuxer)
	}
	if n := len(p.channels); n > 0 {
		p.decoded = 2
		p.warnings = append(p.warnings, sx.NewWarning(sx.WarningJoinedTracks, "the %d audio tracks have one channel each and were mixed", n))
	}
	p.Channels = p.decoded
	if c.options.Mono || c.options.Preset == sx.PresetSpeech {
		p.Channels = 1
	}
	p.origin, p.lead, p.relative = found.origin()
	p.Copy = p.Copy && found.keepsClock(track, p.origin)
	if p.shape.fix != nil {
		c.in.patch(c.base+p.shape.fix.at, p.shape.fix.b)
		p.want = expectation{}
		p.warnings = append(p.warnings, sx.NewWarning(sx.WarningHeader,
			"the file has more audio than its header says; all of it was used"))
	}
	return p, nil
}

// keepsClock reports whether the stream's packets can be copied one after another: it
// begins with the video, and no edit list leaves out its first packets.
func (r *report) keepsClock(s stream, origin time.Duration) bool {
	return r.start(s)-origin < minShift && !slices.ContainsFunc(r.Packets, func(p probedPacket) bool {
		return p.Stream == s.Index && strings.Contains(p.Flags, "D")
	})
}

// otherTrack returns the warning that a track was used in place of the first choice.
func (r *report) otherTrack(first, used stream) sx.Warning {
	number := func(s stream) int {
		return 1 + slices.IndexFunc(r.audioStreams(), func(a stream) bool { return a.Index == s.Index })
	}
	return sx.NewWarning(sx.WarningOtherTrack, "audio track %d (%s) cannot be decoded; track %d (%s) was used",
		number(first), first.describe(), number(used), used.describe())
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
