package mp3

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Layout lays frames out as one stream, with the bit reservoir that LAME would
// have. Its memory does not depend on the length of the stream. It is not safe
// for concurrent use.
type Layout struct {
	w       io.Writer
	vbr     bool
	version string

	started   bool   // a frame was added
	format    Header // of the first frame
	rules     rules
	reservoir int  // bits
	phase     byte // the next bit of alternating stuffing
	lag       int  // of CBR, see nextPadding

	// pending has the frames from start on that still have space for main data.
	// Main data is written at next, which lies in the first of them.
	pending     []byte
	start, next int
	ends        []int // where the frames end in pending
	err         error // of w, or ErrClosed
}

// Errors of Layout.Add.
var (
	ErrTooLarge = errors.New("the main data does not fit into the frame and the bit reservoir")
	ErrNoData   = errors.New("the frame's main data is not known")
	ErrPadding  = errors.New("the frame's padding is not that of its number in the stream")
	ErrClosed   = errors.New("the layout is closed")
)

// NewLayout returns a Layout that writes to w, one frame with each Write. With
// vbr, it chooses the bit rate of each frame; otherwise a frame keeps its own.
// LAME's version, such as "3.100", becomes part of the stuffing.
func NewLayout(w io.Writer, vbr bool, version string) *Layout {
	return &Layout{w: w, vbr: vbr, version: version}
}

// Reservoir returns the size of the bit reservoir in bits: what the next frame may
// use of the space before it.
func (l *Layout) Reservoir() int { return l.reservoir }

// Clone returns a Layout that continues from the same state and writes to w, from
// the first frame that l has not yet written. With io.Discard, it tells what
// would happen to frames before they are added to l.
func (l *Layout) Clone(w io.Writer) *Layout {
	c := *l
	c.w = w
	c.pending = slices.Clone(l.pending[l.start:])
	c.start, c.next = 0, l.next-l.start
	c.ends = slices.Clone(l.ends)
	for i := range c.ends {
		c.ends[i] -= l.start
	}
	return &c
}

// place is where a frame comes in the stream.
type place struct {
	head             [headerSize]byte
	size             int // of the frame in bits
	begin            int // main_data_begin in bytes
	stuffing, before int // bits: in total, and before the main data
	reservoir, lag   int // after the frame
}

// Begin returns what Add would return.
func (l *Layout) Begin(f *Frame) (begin int, err error) {
	at, err := l.place(f)
	return at.begin, err
}

// place returns where the frame comes in the stream.
func (l *Layout) place(f *Frame) (place, error) {
	if l.err != nil {
		return place{}, l.err
	}
	format, rules := l.format, l.rules
	if !l.started {
		format, rules = f.Header, newRules(f.Header)
	}
	at := place{head: f.Head, size: 8 * f.Size()}
	padding, lag := nextPadding(f.Header, l.lag)
	switch {
	case !f.SameFormat(format):
		return place{}, fmt.Errorf("%w: its format differs from that of the frames before it", ErrFormat)
	case f.Data == nil || len(f.Data) != (f.Bits+7)/8:
		return place{}, ErrNoData
	case l.vbr:
		index, fits := rules.bitRateIndex(f.Bits, l.reservoir)
		if !fits {
			return place{}, ErrTooLarge
		}
		at.head[2] = byte(index)<<4 | at.head[2]&0x0D // without padding
		at.size = rules.bits[index]
	case f.Padding != padding:
		return place{}, ErrPadding
	case l.reservoir+at.size-rules.overhead < f.Bits:
		return place{}, ErrTooLarge
	}

	// What the reservoir cannot keep is stuffing, as much of it as possible before
	// the main data.
	after := l.reservoir + at.size - rules.overhead - f.Bits
	at.stuffing = after % 8
	at.stuffing += max(after-at.stuffing-rules.reservoirLimit(at.size), 0)
	at.before = min(l.reservoir, at.stuffing) / 8 * 8
	at.begin = (l.reservoir - at.before) / 8
	at.reservoir, at.lag = after-at.stuffing, lag
	return at, nil
}

// Add appends a frame. It returns the frame's main_data_begin in the new stream.
// After an error that is not the writer's, the Layout is as it was before.
func (l *Layout) Add(f *Frame) (begin int, err error) {
	at, err := l.place(f)
	if err != nil {
		return 0, err
	}
	if !l.started {
		l.started, l.format, l.rules = true, f.Header, newRules(f.Header)
	}
	l.reservoir, l.lag = at.reservoir, at.lag

	l.append(at.head, f.Side, at.begin, at.size/8)
	l.stuff(bits{}, at.before)
	whole := f.Bits / 8
	l.put(f.Data[:whole])
	var last bits
	if n := f.Bits % 8; n > 0 {
		last = bits{value: uint(f.Data[whole] >> (8 - n)), count: n}
	}
	l.stuff(last, at.stuffing-at.before)
	return at.begin, l.err
}

// nextPadding returns the padding of the next frame of a CBR stream and the lag
// after it (ISO/IEC 11172-3, 2.4.2.3). The lag is by how much the frames so far are
// shorter than their bit rate demands, in bytes times the sample rate; a frame
// after one that left a lag is one byte longer.
func nextPadding(h Header, lag int) (padding, after int) {
	if lag > 0 {
		padding = 1
	}
	return padding, lag - padding*h.SampleRate + h.Samples()/8*1000*h.BitRate%h.SampleRate
}

// Close fills the space that is left with stuffing and writes the last frames. It
// does not close the writer. Afterwards, Add returns ErrClosed.
func (l *Layout) Close() error {
	if l.err != nil {
		return l.err
	}
	if n := len(l.ends); n > 0 {
		space := l.ends[n-1] - l.next - (n-1)*l.format.offset()
		l.stuff(bits{}, 8*space)
	}
	if l.err != nil {
		return l.err
	}
	l.err = ErrClosed
	return nil
}

// append appends a frame without main data to the pending ones.
func (l *Layout) append(head [headerSize]byte, side [32]byte, begin, size int) {
	if l.start > 0 && l.start >= len(l.pending)/2 {
		moved := l.start
		l.pending = l.pending[:copy(l.pending, l.pending[moved:])]
		for i := range l.ends {
			l.ends[i] -= moved
		}
		l.next -= moved
		l.start = 0
	}
	if len(l.ends) == 0 {
		l.next = len(l.pending) + l.format.offset()
	}
	l.format.setBegin(side[:], begin)
	end := len(l.pending) + size
	l.pending = append(l.pending, head[:]...)
	l.pending = append(l.pending, side[:l.format.SideInfoSize()]...)
	l.pending = slices.Grow(l.pending, end-len(l.pending))[:end]
	l.ends = append(l.ends, end)
}

// put writes main data.
func (l *Layout) put(b []byte) {
	for len(b) > 0 {
		n := copy(l.pending[l.next:l.ends[0]], b)
		b = b[n:]
		l.advance(n)
	}
}

// fill writes n equal bytes of main data.
func (l *Layout) fill(c byte, n int) {
	for n > 0 {
		space := l.pending[l.next:min(l.next+n, l.ends[0])]
		space[0] = c
		for i := 1; i < len(space); i *= 2 { // faster than byte by byte
			copy(space[i:], space[:i])
		}
		n -= len(space)
		l.advance(len(space))
	}
}

// advance moves next, and writes the first frame if it is full.
func (l *Layout) advance(n int) {
	l.next += n
	if l.next < l.ends[0] {
		return
	}
	if l.err == nil {
		_, l.err = l.w.Write(l.pending[l.start:l.ends[0]])
	}
	l.start = l.ends[0]
	l.ends = l.ends[:copy(l.ends, l.ends[1:])]
	l.next += l.format.offset()
}
