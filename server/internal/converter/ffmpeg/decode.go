package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// The muxer demands timestamps that increase. So whenever the video's clock goes back,
// stamp adds clockStep, and packets begin at half of it. unstamp takes both out again.
const clockStep = 1 << 40

// stamp returns the filter, which also takes the origin from the timestamps: ffmpeg 5.1
// loses those of late streams if -itsoffset does.
func stamp(origin int64) string {
	return fmt.Sprintf("asetpts='st(0,ld(0)+if(lt(PTS,PREV_INPTS),%d,0));PTS-(%d)+%d+ld(0)'", clockStep, origin, clockStep/2)
}

func unstamp(pts int64) int64 { return pts&(clockStep-1) - clockStep/2 }

// clocked are the demuxers of formats with timestamps. The others count samples, also
// across files that were joined; so does Ogg within each of them.
var clocked = map[string]bool{
	"mov": true, "matroska": true, "mpegts": true, "mpeg": true, "flv": true, "avi": true, "asf": true, "rm": true, "mxf": true,
	"dv": true,
}

// decoded is what the decoder reported.
type decoded struct {
	placed
	samples  int64 // of the recording
	written  int64 // of them in the section
	complete bool  // the section, so that nothing after it matters
	rate     int
	cut      bool // the input ends too early
	errors   int  // what could not be decoded
	reported bool // these errors are those of another file too, which reports them
	opposed  bool // left and right were opposed, and one was inverted for mono
	warnings []sx.Warning
}

// duration returns the duration of the recording, as far as it was decoded.
func (d decoded) duration() time.Duration {
	return (&clock{rate: d.rate}).duration(d.samples)
}

// length returns the duration of the PCM.
func (d decoded) length() time.Duration {
	return (&clock{rate: d.rate}).duration(d.written)
}

// decode decodes the plan's section of the chosen audio and writes it to w as interleaved
// PCM of 32-bit floats (f32le), at the plan's rate and number of channels.
func (c *conversion) decode(ctx context.Context, p plan, w io.Writer) (decoded, error) {
	dec := c.newDecoder(p, w)
	dec.clock.pause = func(from, to time.Duration) (bool, error) { return dec.hasPictureDuring(ctx, from, to) }
	err := dec.all(ctx)
	if err == nil {
		err = dec.flush()
	}
	d := dec.decoded
	if errors.Is(err, errSectionEnd) {
		d.complete, err = true, nil
		dec.out.finish()
	}
	d.placed, d.samples, d.rate = dec.clock.seen, dec.clock.at, p.Rate
	d.files = dec.placedFiles()
	d.written = dec.section.written / int64(4*p.Channels)
	if m := dec.mono; m != nil {
		d.opposed = m.inverted >= monoBlocks && m.inverted >= m.heard/10
	}
	return d, err
}

// decoder decodes one part of the audio after another, in most files one.
type decoder struct {
	*conversion
	plan
	decoded decoded
	clock   *clock
	mono    *monoMixer // nil if not needed
	section *sectionWriter
	out     *progressWriter
	last    *stderrParser // of the last part
	depth   int           // how many parts were begun
	joins   joinedFiles
}

func (c *conversion) newDecoder(p plan, w io.Writer) *decoder {
	dec := &decoder{conversion: c, plan: p, joins: joinedFiles{list: p.joined}}
	dec.clock = &clock{
		rate: p.Rate, frame: 4 * p.decoded, lead: p.lead,
		relative: p.relative, counted: p.relative && !clocked[c.format.Demuxer],
	}
	dec.section = newSectionWriter(w, p.section, dec.clock, 4*p.Channels)
	dec.out = &progressWriter{
		w: dec.section, pass: c.pass, second: 4 * p.decoded * p.Rate, end: p.section.from + p.section.length(p.want.end),
		start: c.start, source: c.in, report: c.output.Progress,
	}
	if p.want.end == 0 {
		dec.out.end = p.section.to
	}
	if p.Channels < p.decoded {
		dec.mono = &monoMixer{w: dec.section, rate: p.Rate}
		dec.out.w = dec.mono
	}
	dec.clock.w = dec.out
	return dec
}

// all decodes the recording.
func (d *decoder) all(ctx context.Context) error {
	if d.joins.list != nil {
		return d.allJoined(ctx)
	}
	return d.file(ctx)
}

// file decodes a file.
func (d *decoder) file(ctx context.Context) error {
	if err := d.first(ctx); err != nil {
		return err
	}
	return d.more(ctx)
}

// flush writes what is held back.
func (d *decoder) flush() error {
	if err := d.clock.flush(); err != nil {
		return err
	}
	if d.mono != nil {
		if err := d.mono.flush(); err != nil {
			return err
		}
	}
	d.out.finish()
	return nil
}

// first decodes the first track that can be decoded.
func (d *decoder) first(ctx context.Context) error {
	if len(d.channels) > 0 {
		return d.part(ctx, d.channels)
	}
	var err error
	for i, track := range d.tracks {
		if err = d.part(ctx, []stream{track}); err == nil && (d.clock.seen.decoded > 0 || d.decoded.errors == 0) {
			if i > 0 {
				d.decoded.warnings = append(d.decoded.warnings, d.found.otherTrack(d.tracks[0], track))
			}
			return nil
		}
		if err == nil {
			err = sx.NewError(sx.CodeUnreadable, "the audio (%s) cannot be decoded", track.Codec)
		}
		if sx.CodeOf(err) != sx.CodeUnreadable {
			return err
		}
		d.decoded.errors = 0
	}
	return err
}

// part decodes tracks, which are mixed if there are several, and adds them to the clock.
func (d *decoder) part(ctx context.Context, tracks []stream) error {
	args := append(d.programArgs(), "-copyts", "-guess_layout_max", "0")
	input, url, origin, limit := d.input(), d.url(), d.clock.samples(d.origin), d.cpuLimit(d.want.end)
	if r := d.joins.run; r != nil {
		input, url, origin, limit = r.input(d.conversion), r.url, 0, d.cpuLimit(r.expected())
	}
	args = append(args, input...)
	if codec := tracks[0].Codec; codec == "ac3" || codec == "eac3" {
		args = append(args, "-drc_scale", "0") // as loud as the same sound in another codec
	}
	args = append(
		args, "-i", url, "-map_metadata", "-1", "-map_chapters", "-1",
		"-filter_complex", d.graph(tracks, origin), "-map", "[out]", "-c:a", "pcm_f32le", "-fflags", "+bitexact", "-flush_packets", "0", "-write_index", "0", "-f", "nut", "pipe:1",
	)
	in := d.in // the decoder changes to another file while one program decodes several
	var packets atomic.Int64
	var writing atomic.Bool // this process is not ready for more
	read := func(r io.Reader) error {
		n, err := newNUTReader(r)
		for err == nil {
			var pkt packet
			if pkt, err = n.next(); err == nil {
				pkt.pts = unstamp(pkt.pts)
				writing.Store(true)
				if err = d.enter(&pkt); err == nil {
					err = d.clock.add(pkt)
				}
				writing.Store(false)
				packets.Add(1)
			}
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		return err
	}
	stderr, err := d.execute(ctx, command{
		phase: "decode", program: d.cfg.FFmpeg, args: args, read: read, cpu: limit, maxFile: probeFile,
		busy: func() (int64, bool) {
			done, alive := in.busy()
			return done + packets.Load(), alive && !writing.Load()
		},
	})
	d.last = stderr
	d.decoded.errors += stderr.errors
	d.decoded.cut = d.decoded.cut || stderr.cut
	switch {
	case err == nil || d.in.Err() != nil || !isFailure(err):
		return err
	case packets.Load() == 0:
		return sx.NewError(sx.CodeUnreadable, "the audio (%s) cannot be decoded", tracks[0].Codec).WithCause(err)
	default:
		d.decoded.cut = true // checkComplete decides whether enough was decoded
		return nil
	}
}

// graph returns the filter graph from the tracks to PCM.
func (d *decoder) graph(tracks []stream, origin int64) string {
	var b strings.Builder
	for _, s := range tracks {
		fmt.Fprintf(&b, "[0:%d]", s.Index)
	}
	if len(tracks) > 1 {
		fmt.Fprintf(&b, "amerge=inputs=%d,aformat=sample_fmts=fltp,%s", len(tracks), pan(d.plan.decoded, mixTracks(tracks)))
	} else {
		fmt.Fprintf(&b, "aformat=sample_fmts=fltp,%s", mix(tracks[0], d.plan.decoded))
	}
	layout := map[int]string{1: "mono", 2: "stereo"}[d.plan.decoded]
	// aformat resamples only if the rate changes; aresample adds a fifth to the decoder's time
	// even if it does not.
	fmt.Fprintf(&b, ",aformat=sample_fmts=flt:sample_rates=%d:channel_layouts=%s,%s[out]", d.Rate, layout, stamp(origin))
	return b.String()
}
