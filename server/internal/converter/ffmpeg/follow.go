package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sniff"
	"github.com/soundextract/sx/server/sx"
)

const (
	// maxParts bounds how many parts of a recording are decoded one after another.
	maxParts = 16
	// tableBytes is how many bytes before the first packet of a stream are read too: they
	// have the tables that announce it, with which a transport stream must begin.
	tableBytes = 4 * 188
	// maxMissing is how much audio may be missing at the end without a warning.
	maxMissing = time.Second
)

// more decodes what follows the first part: another file that was appended, or in a
// transport or program stream the audio that continues as another stream or codec. What
// cannot be followed is a warning.
func (d *decoder) more(ctx context.Context) error {
	if d.depth++; d.depth > maxParts {
		return nil
	}
	if d.shape.next > 0 {
		return d.appended(ctx)
	}
	if d.format.Demuxer != "mpegts" && d.format.Demuxer != "mpeg" {
		return nil
	}
	// Each continuation is opened where it begins, so that the stream is known.
	from := d.last.added // where a stream began that the header does not announce
	var err error
	if later := d.later(); len(later) > 0 {
		from, err = d.position(ctx, later[0], maxOverlap)
	} else if from == 0 && d.decoded.errors >= minErrors && d.missing() > maxMissing {
		from, err = d.position(ctx, d.tracks[0], minShift) // the codec may have changed
	}
	if err != nil || from == 0 {
		return err
	}
	return d.continueAt(ctx, d.base+max(0, from-tableBytes))
}

// missing returns how much of the audio that the demuxer found was not decoded.
func (d *decoder) missing() time.Duration {
	return d.want.end - d.clock.duration(d.clock.at-d.joins.from)
}

// later returns the audio streams that begin after the first packets, the earliest first.
func (d *decoder) later() []stream {
	if len(d.found.Packets) < firstPackets {
		return nil
	}
	streams := slices.DeleteFunc(d.found.audioStreams(), func(s stream) bool {
		return s.Index == d.tracks[0].Index || !d.mayContinue(s) ||
			slices.ContainsFunc(d.found.Packets, func(p probedPacket) bool { return p.Stream == s.Index })
	})
	slices.SortStableFunc(streams, func(a, b stream) int { return int(a.Start-b.Start) / int(time.Millisecond) })
	return streams[:min(len(streams), maxParts)]
}

// mayContinue reports whether the stream can be the chosen track under another number or
// codec: it has no other language and no other purpose.
func (d *decoder) mayContinue(s stream) bool {
	return isAudio(s.Codec) && !s.isExtra() && s.tag("language") == d.tracks[0].tag("language")
}

// isOtherTrack reports whether the stream, of a later part, is an audio track that was there
// beside the chosen one.
func (d *decoder) isOtherTrack(s stream) bool {
	return s.ID != "" && slices.ContainsFunc(d.found.audioStreams(), func(other stream) bool {
		return other.Index != d.tracks[0].Index && other.ID == s.ID &&
			slices.ContainsFunc(d.found.Packets, func(p probedPacket) bool { return p.Stream == other.Index })
	})
}

// errNotNext means that a stream does not continue what was decoded, but accompanies it.
var errNotNext = errors.New("not a continuation")

// next decodes the stream if it begins where what was decoded ends.
func (d *decoder) next(ctx context.Context, s stream) (followed bool, err error) {
	if err := d.clock.flush(); err != nil {
		return false, err
	}
	decoded, failed := d.clock.seen.decoded, d.decoded.errors
	d.clock.next = true
	err = d.part(ctx, []stream{s})
	d.clock.next = false
	if errors.Is(err, errNotNext) || sx.CodeOf(err) == sx.CodeUnreadable {
		d.decoded.errors = failed
		return false, nil
	}
	return d.clock.seen.decoded > decoded, err
}

// continueAt follows the audio from an offset in the video, where another stream begins.
func (d *decoder) continueAt(ctx context.Context, base int64) error {
	sub := *d.conversion
	sub.base = base
	found, err := sub.probe(ctx)
	if err != nil {
		return d.unfollowed(err)
	}
	rest := *d
	rest.conversion, rest.found = &sub, found
	failed := d.decoded.errors
	for _, s := range found.audioStreams() {
		if !d.mayContinue(s) || d.isOtherTrack(s) {
			continue
		}
		switch followed, err := rest.next(ctx, s); {
		case err != nil:
			return err
		case followed:
			rest.decoded.errors -= failed // what was tried with the wrong decoder
			rest.tracks = []stream{s}
			err := rest.more(ctx)
			d.decoded = rest.decoded
			return err
		}
	}
	return nil
}

// appended decodes the file that follows the first one.
func (d *decoder) appended(ctx context.Context) error {
	sub := *d.conversion
	sub.base += d.shape.next
	var err error
	if sub.format, err = sniff.Read(sub.content()); err != nil {
		return d.unfollowed(err)
	}
	p, err := sub.plan(ctx)
	if err != nil {
		return d.unfollowed(err)
	}
	if err := d.clock.restart(p.relative && !clocked[sub.format.Demuxer]); err != nil {
		return err
	}
	p.Rate, p.Channels, p.decoded = d.Rate, d.Channels, d.plan.decoded
	rest := *d
	rest.conversion, rest.plan = &sub, p
	if err := rest.first(ctx); sx.CodeOf(err) == sx.CodeUnreadable {
		return d.unfollowed(err)
	} else if err != nil {
		return err
	}
	err = rest.more(ctx)
	d.decoded = rest.decoded
	return err
}

// unfollowed turns an error of a file's rest into a warning, if the file is the cause.
func (d *decoder) unfollowed(err error) error {
	if !sx.CodeOf(err).Permanent() || d.in.Err() != nil {
		return err
	}
	d.decoded.warnings = append(d.decoded.warnings, sx.NewWarning(sx.WarningIncomplete,
		"the audio after %s is missing: %s", round(d.clock.duration(d.clock.at-d.joins.from)), sx.AsError(err).Message))
	return nil
}

// position returns the offset of the stream's first packet after what was decoded, or
// up to overlap before that; 0 if it is not found.
func (d *decoder) position(ctx context.Context, s stream, overlap time.Duration) (int64, error) {
	args := append(d.probeArgs(), "-select_streams", strconv.Itoa(s.Index), "-show_entries", "packet=pts_time,pos", "-of", "csv=p=0", d.url())
	find := &positionFinder{from: d.origin + d.clock.duration(d.clock.at-d.clock.offset) - overlap}
	_, err := d.execute(ctx, command{
		phase: "follow a stream", program: d.cfg.FFprobe, args: args, cpu: d.cpuLimit(d.want.end), maxFile: probeFile, busy: d.in.busy,
		read: func(r io.Reader) error {
			_, err := io.Copy(find, r)
			return err
		},
	})
	if errors.Is(err, errFound) || isFailure(err) {
		err = nil // the answer may be there nevertheless
	}
	return find.at, err
}

// errFound ends the search, which otherwise reads the file to its end.
var errFound = errors.New("found")

// positionFinder reads lines of a time in seconds and an offset, and finds the offset of
// the first that is not before a time.
type positionFinder struct {
	from time.Duration
	at   int64
	line []byte
}

// Write implements io.Writer. Its error is errFound once there is an answer.
func (f *positionFinder) Write(p []byte) (int, error) {
	for rest := p; ; {
		part, after, complete := bytes.Cut(rest, []byte("\n"))
		f.line = append(f.line, part[:min(len(part), lineBytes-len(f.line))]...)
		if !complete {
			return len(p), nil
		}
		f.read(string(f.line))
		f.line, rest = f.line[:0], after
		if f.at > 0 {
			return 0, errFound
		}
	}
}

func (f *positionFinder) read(line string) {
	pts, pos, _ := strings.Cut(line, ",")
	s, err := strconv.ParseFloat(pts, 64)
	if err != nil || s < f.from.Seconds() {
		return
	}
	f.at, _ = strconv.ParseInt(strings.TrimRight(pos, ",\r"), 10, 64) // 0 if there is none
}
