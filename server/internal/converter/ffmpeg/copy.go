package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/mp3"
)

// errNoCopy means that a copy of the MP3 stream would not sound as the video does, so
// that it must be decoded and encoded.
var errNoCopy = errors.New("the MP3 stream cannot be copied")

// copying copies the frames of an MP3 stream, and stores the MP3 as they arrive.
type copying struct {
	encoding
	own  *mp3.InfoTag // the source's own Info frame, or nil
	skip int          // samples at the start that the container leaves out

	header mp3.Header    // of the first frame
	first  time.Duration // of the first frame
	late   int           // consecutive frames whose times deviate from the clock
	cut    bool          // the last frame is not complete
}

// copy copies the MP3 stream of the video, or encodes it if that is not possible.
func (c *conversion) copy(ctx context.Context, p plan) (converter.Result, error) {
	result, err := c.copyFrames(ctx, p)
	if !errors.Is(err, errNoCopy) {
		return result, err
	}
	c.cfg.Log.InfoContext(ctx, "encoding an MP3 stream", "reason", err)
	p.Copy = false
	return c.encode(ctx, p)
}

func (c *conversion) copyFrames(ctx context.Context, p plan) (converter.Result, error) {
	cp := &copying{encoding: encoding{conversion: c, plan: p}}
	var err error
	if cp.skip, err = p.copyStart(clocked[c.format.Demuxer]); err != nil {
		return converter.Result{}, err
	}
	if c.format.Demuxer == "mp3" {
		if cp.own, err = ownInfo(c.content(), c.end-c.base); err != nil {
			return converter.Result{}, err
		}
	}
	source, warnings, err := c.metadata(ctx, p)
	if err != nil {
		return converter.Result{}, err
	}
	cp.source = source
	size, more := id3.Reserve(cp.withChapters(placed{}, 0), c.options.KeepAllTags)
	cp.size = size
	err = cp.put(1,
		func() store.Head { return store.Head{Size: cp.size + cp.info.Size(), Bytes: cp.head} },
		func(w io.Writer) error { return cp.run(ctx, w) },
	)
	if err != nil {
		return converter.Result{}, err
	}
	return converter.Result{Durations: []time.Duration{cp.decoded.duration()}, Warnings: append(append(cp.warnings, warnings...), more...)}, nil
}

// maxSkip is the most that an encoder and a decoder put before the sound, in samples.
// A container that leaves out more has been cut.
const maxSkip = 2 * 1152

// copyStart checks that the track begins where the result does, and returns how many
// samples the container leaves out there because an encoder has added them.
func (p plan) copyStart(clocked bool) (skip int, err error) {
	first := true
	for _, pkt := range p.found.Packets {
		if pkt.Stream != p.tracks[0].Index {
			continue
		}
		if strings.Contains(pkt.Flags, "D") {
			return 0, fmt.Errorf("%w: an edit list omits part of it", errNoCopy)
		}
		for _, side := range pkt.Side {
			switch {
			case first:
				skip = side.Skip
			case side.Skip > 0:
				return 0, fmt.Errorf("%w: the container leaves out a part of it", errNoCopy)
			}
		}
		first = false
	}
	if skip > maxSkip || skip > 0 && skip < mp3.DecoderDelay {
		return 0, fmt.Errorf("%w: the container leaves out %d samples", errNoCopy, skip)
	}
	if clocked && !p.relative {
		start := p.found.start(p.tracks[0]) + (&clock{rate: p.Rate}).duration(int64(skip)) - p.origin
		if start.Abs() >= minShift {
			return 0, fmt.Errorf("%w: it starts %s after the picture", errNoCopy, start)
		}
	}
	return skip, nil
}

// run copies the frames, and checks that none was left out.
func (cp *copying) run(ctx context.Context, w io.Writer) error {
	args := append(cp.programArgs(), "-copyts")
	args = append(args, cp.input()...)
	args = append(args, "-i", cp.url(), "-map", "0:"+strconv.Itoa(cp.plan.tracks[0].Index), "-map_metadata", "-1", "-map_chapters", "-1",
		"-c:a", "copy", "-avoid_negative_ts", "make_zero", "-fflags", "+bitexact", "-f", "matroska", "pipe:1")
	out := &progressWriter{w: w, start: time.Now(), second: 1, source: cp.in, report: cp.output.Progress}
	var packets atomic.Int64
	var writing atomic.Bool // this process is not ready for more
	read := func(r io.Reader) error {
		blocks := newBlockReader(r)
		var err error
		for err == nil {
			var pkt block
			if pkt, err = blocks.next(); err == nil {
				writing.Store(true)
				err = cp.add(pkt, out)
				writing.Store(false)
				packets.Add(1)
			}
		}
		if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		return nil
	}
	stderr, err := cp.execute(ctx, command{
		phase: "copy", program: cp.cfg.FFmpeg, args: args, read: read, cpu: cp.cpuLimit(cp.plan.want.end), maxFile: probeFile,
		busy: func() (int64, bool) {
			done, alive := cp.in.busy()
			return done + packets.Load(), alive && !writing.Load()
		},
	})
	if err != nil {
		return err
	}
	// ffmpeg may have treated a read error of the source as its end.
	if err := cp.in.Err(); err != nil {
		return err
	}
	out.finish()
	cp.decoded = decoded{rate: cp.plan.Rate, cut: cp.cut || stderr.cut, errors: stderr.errors}
	if cp.info != nil {
		cp.decoded.samples = cp.length()
		cp.decoded.decoded = cp.decoded.samples
	}
	cp.warnings, err = cp.plan.checkComplete(cp.decoded)
	return err
}

// add copies a packet. It treats packets as ffmpeg's decoder does: it skips zeros, and
// leaves out what does not begin with a frame, such as tags.
func (cp *copying) add(pkt block, w io.Writer) error {
	frame := bytes.TrimLeft(pkt.data, "\x00")
	h, err := mp3.ParseHeader(frame)
	switch {
	case errors.Is(err, mp3.ErrFreeFormat), errors.Is(err, mp3.ErrNotLayer3):
		return fmt.Errorf("%w: %w", errNoCopy, err)
	case err != nil, len(frame) < h.Size():
		cp.cut = cp.cut || err == nil // else it is no frame
		return nil
	case cp.info == nil:
		if err := cp.begin(h, pkt); err != nil {
			return err
		}
	case !h.SameFormat(cp.header) && len(frame) == h.Size():
		return fmt.Errorf("%w: its format changes after %d frames", errNoCopy, cp.info.Frames())
	case !h.SameFormat(cp.header):
		return nil
	}
	if err := cp.checkClock(pkt); err != nil {
		return err
	}
	frame = frame[:h.Size()]
	if _, err := cp.info.Write(frame); err != nil {
		return err
	}
	_, err = w.Write(frame)
	return err
}

// begin takes the format of the first frame.
func (cp *copying) begin(h mp3.Header, pkt block) (err error) {
	if h.SampleRate != cp.plan.Rate || h.Channels != cp.plan.Channels {
		return fmt.Errorf("%w: it begins with another format than the container says", errNoCopy)
	}
	cp.header, cp.first = h, pkt.at
	if cp.own != nil {
		cp.name = cp.own.Encoder
	} else if cp.skip > 0 {
		cp.name = "Lavf" // decoders need a name that they know
	}
	if cp.info, err = mp3.NewInfo(cp.name, h.SampleRate, h.Channels, h.BitRate); err != nil {
		return fmt.Errorf("making the Info frame: %w", err)
	}
	return nil
}

// checkClock checks that the frames follow each other on the video's clock, without a gap
// or an overlap that lasts.
func (cp *copying) checkClock(pkt block) error {
	if !clocked[cp.format.Demuxer] {
		return nil
	}
	at := (&clock{rate: cp.header.SampleRate}).duration(cp.info.Frames() * int64(cp.header.Samples()))
	if (pkt.at - cp.first - at).Abs() < minShift {
		cp.late = 0
		return nil
	}
	if cp.late += cp.header.Samples(); cp.late > cp.header.SampleRate*int(lookAhead/time.Millisecond)/1000 {
		return fmt.Errorf("%w: the clock deviates at %s", errNoCopy, at)
	}
	return nil
}

// gaps returns the delay and the padding for the Info frame, so that a decoder leaves out
// the same samples as from the source.
func (cp *copying) gaps() (delay, padding int) {
	switch {
	case cp.name == "":
		return 0, 0
	case cp.own == nil: // a container leaves out nothing at the end, or less than a frame
		return cp.skip - mp3.DecoderDelay, mp3.DecoderDelay
	}
	// Frames that are missing at the end contained the padding. If there are more than the
	// source says, as in files that were joined, its padding is in their middle.
	missing := cp.own.Frames - cp.info.Frames()
	if missing < 0 || missing > math.MaxInt16 {
		return cp.own.Delay, 0
	}
	return cp.own.Delay, max(0, cp.own.Padding-int(missing)*cp.header.Samples())
}

// length returns how many samples a decoder delivers.
func (cp *copying) length() int64 {
	n := cp.info.Frames() * int64(cp.header.Samples())
	if cp.name != "" {
		delay, padding := cp.gaps()
		n -= int64(delay + max(padding, mp3.DecoderDelay))
	}
	return max(0, n)
}

// head returns the beginning of the MP3: the tag and the Info frame.
func (cp *copying) head() ([]byte, error) {
	info, err := cp.info.Copied(cp.gaps())
	if err != nil {
		return nil, fmt.Errorf("making the Info frame: %w", err)
	}
	return cp.withTag(info)
}

// ownInfo returns the Info frame of an MP3 file, or nil if it has none.
func ownInfo(r io.ReadSeeker, size int64) (*mp3.InfoTag, error) {
	start, err := afterID3(r, size)
	if err != nil {
		return nil, fmt.Errorf("reading the MP3's tag: %w", err)
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the MP3's Info frame: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(r, min(2<<10, size-start))) // more than a frame
	if err != nil {
		return nil, fmt.Errorf("reading the MP3's Info frame: %w", err)
	}
	info, err := mp3.ReadInfo(b)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // whatever it is, it is no Info frame
	}
	return info, nil
}

// afterID3 returns the offset of the first byte after the ID3v2 tags at the beginning
// ("ID3 tag version 2.4.0 - Main Structure", 3.1).
func afterID3(r io.ReadSeeker, size int64) (int64, error) {
	at := int64(0)
	for {
		var h [10]byte
		if size-at < int64(len(h)) {
			return at, nil
		}
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return 0, err
		}
		if string(h[:3]) != "ID3" || h[3] == 0xFF || h[4] == 0xFF || (h[6]|h[7]|h[8]|h[9])&0x80 != 0 {
			return at, nil
		}
		next := at + 10 + int64(h[6])<<21 + int64(h[7])<<14 + int64(h[8])<<7 + int64(h[9])
		if h[5]&0x10 != 0 {
			next += 10 // a footer
		}
		if next > size {
			return at, nil
		}
		at = next
	}
}
