package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// The muxer demands timestamps that increase. So whenever the video's clock goes back,
// stamp adds clockStep, and packets begin at half of it. unstamp takes both out again.
const clockStep = 1 << 40

var stamp = fmt.Sprintf("asetpts='st(0,ld(0)+if(lt(PTS,PREV_INPTS),%d,0));PTS+%d+ld(0)'", clockStep, clockStep/2)

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
	samples int64 // written
	rate    int
	damage  bool // the input was truncated or damaged
	opposed bool // left and right were opposed, and one was inverted for mono
}

// duration returns the duration of the PCM.
func (d decoded) duration() time.Duration {
	return (&clock{rate: d.rate}).duration(d.samples)
}

// decode decodes the chosen audio and writes it to w as interleaved PCM of 32-bit floats
// (f32le), at the plan's rate and number of channels.
func (c *conversion) decode(ctx context.Context, p plan, w io.Writer) (decoded, error) {
	args := append(c.programArgs(),
		"-copyts", "-itsoffset", strconv.FormatFloat(-p.origin.Seconds(), 'f', 6, 64), "-guess_layout_max", "0",
	)
	args = append(args, c.input()...)
	if p.track.Codec == "ac3" || p.track.Codec == "eac3" {
		args = append(args, "-drc_scale", "0") // as loud as the same sound in another codec
	}
	args = append(args, "-i", c.in.URL, "-map", "0:"+strconv.Itoa(p.track.Index), "-map_metadata", "-1", "-map_chapters", "-1",
		"-af", p.filter, "-c:a", "pcm_f32le", "-fflags", "+bitexact", "-f", "nut", "pipe:1")

	out := &progressWriter{w: w, start: time.Now(), second: 4 * p.decoded * p.Rate, end: p.want.end, source: c.in, report: c.output.Progress}
	place := &clock{
		w: out, rate: p.Rate, frame: 4 * p.decoded, relative: p.relative, lead: p.lead,
		counted: p.relative && !clocked[c.format.Demuxer],
		pause:   func(time.Duration, time.Duration) (bool, error) { return false, nil },
	}
	var mono *monoMixer
	if p.Channels < p.decoded {
		mono = &monoMixer{w: w, rate: p.Rate}
		out.w = mono
	}
	read := func(r io.Reader) error {
		n, err := newNUTReader(r)
		for err == nil {
			var pkt packet
			if pkt, err = n.next(); err == nil {
				pkt.pts = unstamp(pkt.pts)
				err = place.add(pkt)
			}
		}
		if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err := place.flush(); err != nil || mono == nil {
			return err
		}
		return mono.flush()
	}
	run := command{program: c.cfg.FFmpeg, args: args, read: read, timeout: c.cfg.MaxTime, maxFile: probeFile}
	if p.want.basis == exact {
		run.timeout = max(c.cfg.MinTime, min(c.cfg.MaxTime, 10*p.want.duration))
	}
	stderr, err := c.execute(ctx, run)
	switch {
	case err == nil:
		out.finish()
		d := decoded{placed: place.seen, samples: place.at, rate: p.Rate, damage: stderr.damage}
		if mono != nil {
			d.opposed = mono.inverted >= monoBlocks && mono.inverted >= mono.heard/10
		}
		return d, nil
	case c.in.Err() == nil && stderr.damage && isFailure(err) && place.seen.decoded == 0:
		return decoded{}, sx.NewError(sx.CodeUnreadable, "the audio (%s) cannot be decoded", p.track.Codec).WithCause(err)
	default:
		return decoded{}, err
	}
}
