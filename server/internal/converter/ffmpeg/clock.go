package ffmpeg

import (
	"encoding/binary"
	"io"
	"math"
	"time"
)

const (
	// minShift is the deviation from the clock from which audio is moved. Timestamps are
	// rounded and jitter by less.
	minShift = 40 * time.Millisecond
	// lookAhead is how long a deviation must last to count: that of a single late packet
	// does not.
	lookAhead = 250 * time.Millisecond
	// maxOverlap is the longest overlap that is left out. A clock that goes back further
	// has been set, as in joined files.
	maxOverlap = time.Second
	// longGap is the length from which a gap needs evidence that it is a pause.
	longGap = 10 * time.Minute
	// maxSilence bounds the silence that is filled in, in total.
	maxSilence = 12 * time.Hour
)

// clock writes decoded packets to w at their places on the video's clock: gaps are filled
// with silence, and what overlaps earlier audio is left out. Nothing is stretched.
type clock struct {
	w        io.Writer
	rate     int  // Hz
	frame    int  // bytes of a sample of all channels
	relative bool // the first sample is at 0
	counted  bool // timestamps only count samples, and do not show gaps
	// lead is how much later than 0 the picture starts.
	lead time.Duration
	// pause reports whether a long gap, between two times from the origin, is a pause in
	// the audio rather than a jump of the clock.
	pause func(from, to time.Duration) (bool, error)

	began   time.Duration // the first packet since the last restart, from the origin
	next    bool          // the next packet must continue what was placed
	started bool
	queue   []packet
	queued  int64 // samples in queue
	free    [][]byte
	skip    int64 // samples of an overlap that are still to be left out
	at      int64 // samples written: the time of the next one
	offset  int64 // from timestamps to places, after jumps of the clock
	seen    placed
}

// placed says how audio was moved.
type placed struct {
	first    time.Duration // what is at 0 in the result, from the origin
	decoded  int64         // samples that the decoder delivered
	silence  int64         // samples that were filled in
	omitted  int64         // decoded samples that were left out, because they overlapped
	jumps    []jump
	unfilled time.Duration // gaps that exceed maxSilence
	files    []placedFile  // of each file that is joined, as far as it was decoded; nil if there is one
}

// jump is a place where the clock was set.
type jump struct {
	at time.Duration // in the result
	by time.Duration // forwards, if it is positive
}

func (c *clock) samples(d time.Duration) int64 {
	return int64(d/time.Second)*int64(c.rate) + int64(d%time.Second)*int64(c.rate)/int64(time.Second)
}

func (c *clock) duration(samples int64) time.Duration {
	rate := int64(c.rate)
	return time.Duration(samples/rate)*time.Second + time.Duration(samples%rate)*time.Second/time.Duration(rate)
}

func (c *clock) size(p packet) int64 { return int64(len(p.data) / c.frame) }

// add takes a packet and writes those whose places are certain. It keeps no reference to
// the packet's data.
func (c *clock) add(p packet) error {
	if !c.started {
		c.started, c.began = true, c.duration(p.pts)
		if c.relative {
			c.offset = c.at - p.pts
		}
		if c.relative && c.at == 0 {
			c.seen.first = c.duration(p.pts)
		}
	}
	if c.next && p.pts+c.offset < c.at-c.samples(maxOverlap) {
		return errNotNext
	}
	c.next = false
	n := c.size(p)
	var own []byte
	if last := len(c.free) - 1; last >= 0 {
		own, c.free = c.free[last][:0], c.free[:last]
	}
	p.data = append(own, p.data[:int(n)*c.frame]...)
	mute(p.data)
	c.queue = append(c.queue, p)
	c.queued += n
	c.seen.decoded += n
	c.dropPriming()
	for c.queued > c.samples(lookAhead) && len(c.queue) > 1 {
		if err := c.place(); err != nil {
			return err
		}
	}
	return nil
}

// tooLoud is 120 dB above full scale, where only damage is. LAME ends the program at samples
// that are little louder, and at those that are no numbers, whose bits are higher still.
var tooLoud = math.Float32bits(1 << 20)

// mute replaces samples that are too loud or no numbers by silence. It examines eight at a
// time, because all PCM passes here.
func mute(pcm []byte) {
	const block = 32
	for ; len(pcm) >= block; pcm = pcm[block:] {
		b := pcm[:block:block]
		if anyTooLoud(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])) {
			muteEach(b)
		}
	}
	muteEach(pcm)
}

// anyTooLoud examines two samples in each number: adding the difference between tooLoud and
// the sign's bit, which is taken out first, sets that bit where a sample reaches tooLoud.
func anyTooLoud(a, b, c, d uint64) bool {
	const (
		both  = 1<<32 | 1
		signs = both << 31
	)
	add := (1<<31 - uint64(tooLoud)) * both
	return ((a&^signs+add)|(b&^signs+add)|(c&^signs+add)|(d&^signs+add))&signs != 0
}

func muteEach(pcm []byte) {
	const sign = 1 << 31
	for ; len(pcm) >= 4; pcm = pcm[4:] {
		if binary.LittleEndian.Uint32(pcm)&^sign >= tooLoud {
			clear(pcm[:4])
		}
	}
}

// dropPriming removes the first packet if it lies alone before the start of the picture.
// Muxers that cannot mark it as priming put it there, and the gap after it is an
// artefact.
func (c *clock) dropPriming() {
	if len(c.queue) != 2 || c.at > 0 || c.lead == 0 {
		return
	}
	first, second, lead := c.queue[0], c.queue[1], c.samples(c.lead)
	end := first.pts + c.size(first)
	if end <= lead && second.pts-end >= c.samples(minShift) && second.pts >= lead-c.samples(minShift) {
		c.queue = c.queue[1:]
		c.queued -= c.size(first)
		c.offset, c.seen.first = -lead, c.lead
	}
}

// restart lets the next packet follow at once, whatever its time. counted says that times
// mean nothing from there on.
func (c *clock) restart(counted bool) error {
	err := c.flush()
	c.started, c.relative, c.counted = false, true, counted
	return err
}

// flush writes what is left.
func (c *clock) flush() error {
	for len(c.queue) > 0 {
		if err := c.place(); err != nil {
			return err
		}
	}
	return nil
}

// place writes the first packet of the queue.
func (c *clock) place() error {
	if c.skip == 0 && !c.counted {
		if err := c.adjust(); err != nil {
			return err
		}
	}
	p := c.queue[0]
	n := c.size(p)
	skip := min(c.skip, n)
	c.skip -= skip
	c.seen.omitted += skip
	c.at += n - skip
	c.queue = c.queue[1:]
	c.queued -= n
	_, err := c.w.Write(p.data[int(skip)*c.frame:])
	c.free = append(c.free, p.data)
	return err
}

// shift returns by how many samples the queue as a whole is late (positive) or early.
func (c *clock) shift() int64 {
	at := c.at
	var least int64
	for i, p := range c.queue {
		d := p.pts + c.offset - at
		switch {
		case i == 0:
			least = d
		case (d > 0) != (least > 0):
			return 0
		case least > 0:
			least = min(least, d)
		default:
			least = max(least, d)
		}
		at += c.size(p)
	}
	return least
}

// adjust fills a gap before the queue, or begins to leave out an overlap.
func (c *clock) adjust() error {
	limit := c.samples(minShift)
	if c.at == 0 { // the beginning is exact
		limit = 1
	}
	switch shift := c.shift(); {
	case shift >= limit:
		return c.gap(shift)
	case shift < -c.samples(maxOverlap):
		c.jump(shift)
	case shift <= -limit:
		c.skip = -shift
	}
	return nil
}

func (c *clock) jump(shift int64) {
	c.offset -= shift
	if len(c.seen.jumps) < 100 {
		c.seen.jumps = append(c.seen.jumps, jump{c.duration(c.at), c.duration(shift)})
	}
}

func (c *clock) gap(shift int64) error {
	length := c.duration(shift)
	if length > longGap {
		from := c.duration(c.at - c.offset)
		pause, err := c.pause(from, from+length)
		if err != nil {
			return err
		}
		if !pause {
			c.jump(shift)
			return nil
		}
	}
	if left := c.samples(maxSilence) - c.seen.silence; shift > left {
		c.seen.unfilled += c.duration(shift - left)
		c.jump(shift - left)
		shift = left
	}
	c.seen.silence += shift
	c.at += shift
	return writeSilence(c.w, shift*int64(c.frame))
}

var zeros [1 << 16]byte

func writeSilence(w io.Writer, n int64) error {
	for n > 0 {
		part := min(n, int64(len(zeros)))
		if _, err := w.Write(zeros[:part]); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

// place returns the place in the result of a time from the origin.
func (s placed) place(t time.Duration) time.Duration { return moved(t-s.first, s.jumps) }

// moved returns where a time is after jumps of the clock.
func moved(t time.Duration, jumps []jump) time.Duration {
	for _, j := range jumps {
		if t <= j.at {
			break
		}
		t = max(t-j.by, j.at)
	}
	return max(t, 0)
}
