package ffmpeg

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// packet is a piece of decoded audio with its time.
type packet struct {
	pts  int64 // in units of the stream's time base
	data []byte
}

// maxPacket bounds a packet of PCM, in bytes.
const maxPacket = 64 << 20

var errNUT = errors.New("the decoder's output is not NUT with one stream")

// nutReader reads the packets of a NUT stream with a single stream, the form in which
// ffmpeg passes PCM with timestamps through a pipe. See https://ffmpeg.org/~michael/nut.txt.
type nutReader struct {
	r     *bufio.Reader
	codes [256]frameCode
	// elided are the beginnings of packets that the muxer leaves out.
	elided [][]byte
	shift  uint64 // bits of a timestamp that is relative to the last one
	last   int64  // timestamp of the last packet
	buf    []byte // of a packet that r cannot hold as it is
	unread int    // bytes of the last packet that are still in r
}

// frameCode is what the first byte of a frame stands for.
type frameCode struct {
	flags    uint64
	delta    int64 // of the timestamp
	mul, lsb uint64
	reserved uint64
	header   uint64
}

// The flags of a frame.
const (
	nutCodedPTS  = 1 << 3
	nutStreamID  = 1 << 4
	nutSizeMSB   = 1 << 5
	nutChecksum  = 1 << 6
	nutReserved  = 1 << 7
	nutSideData  = 1 << 8
	nutHeaderIdx = 1 << 10
	nutMatchTime = 1 << 11
	nutCoded     = 1 << 12
	nutInvalid   = 1 << 13
)

// The second byte of a startcode; the first is N.
const (
	nutMain      = 'M'
	nutStream    = 'S'
	nutSyncpoint = 'K'
)

const nutMagic = "nut/multimedia container\x00"

// newNUTReader reads the magic. It returns io.EOF if there is no output at all.
func newNUTReader(r io.Reader) (*nutReader, error) {
	n := &nutReader{r: bufio.NewReaderSize(r, 1<<18)}
	magic := make([]byte, len(nutMagic))
	if _, err := io.ReadFull(n.r, magic); err != nil {
		return nil, err
	}
	if string(magic) != nutMagic {
		return nil, errNUT
	}
	return n, nil
}

// next returns the next packet, whose data is valid until the following call, or io.EOF.
func (n *nutReader) next() (packet, error) {
	if _, err := n.r.Discard(n.unread); err != nil {
		return packet{}, err
	}
	n.unread = 0
	for {
		code, err := n.r.ReadByte()
		if err != nil {
			return packet{}, err // io.EOF between two packets is the end
		}
		var p packet
		if code == 'N' {
			err = n.header()
		} else {
			p, err = n.frame(n.codes[code])
		}
		switch {
		case errors.Is(err, io.EOF):
			return packet{}, io.ErrUnexpectedEOF
		case err != nil:
			return packet{}, err
		case code != 'N':
			return p, nil
		}
	}
}

// header reads a header or a syncpoint, whose startcode's first byte was read.
func (n *nutReader) header() error {
	var startcode [7]byte
	if _, err := io.ReadFull(n.r, startcode[:]); err != nil {
		return err
	}
	size, err := n.uint()
	if err != nil {
		return err
	}
	if size > 1<<20 || size < 4 {
		return fmt.Errorf("%w: a header of %d bytes", errNUT, size)
	}
	if size > 4096 { // a checksum of the header follows
		if _, err := n.r.Discard(4); err != nil {
			return err
		}
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(n.r, body); err != nil {
		return err
	}
	f := &fields{b: body[:size-4]} // without its checksum
	switch startcode[0] {
	case nutMain:
		n.mainHeader(f)
	case nutStream:
		n.streamHeader(f)
	case nutSyncpoint:
		n.last = int64(f.uint()) //nolint:gosec // there is one time base, so it is not scaled
	}
	return f.err
}

func (n *nutReader) mainHeader(f *fields) {
	if f.uint() > 3 { // version
		f.uint() // minor version
	}
	if streams := f.uint(); streams != 1 {
		f.fail("%d streams", streams)
	}
	f.uint() // maximum distance of syncpoints
	bases := f.uint()
	if bases != 1 {
		f.fail("%d time bases", bases)
	}
	f.uint()
	f.uint()
	c := frameCode{mul: 1}
	for i := 0; i < 256 && f.err == nil; {
		c.flags = f.uint()
		set := f.uint() // how many of the following fields are present
		if set > 0 {
			c.delta = f.int()
		}
		if set > 1 {
			c.mul = f.uint()
		}
		if set > 2 {
			f.uint() // stream
		}
		var size, count uint64
		if set > 3 {
			size = f.uint()
		}
		c.reserved = 0
		if set > 4 {
			c.reserved = f.uint()
		}
		count = c.mul - size
		if set > 5 {
			count = f.uint()
		}
		if set > 6 {
			f.int() // match time
		}
		if set > 7 {
			c.header = f.uint()
		}
		for j := uint64(8); j < set && f.err == nil; j++ {
			f.uint()
		}
		if count == 0 || count > 256 {
			f.fail("%d equal frame codes", count)
		}
		for j := uint64(0); j < count && i < 256; i++ {
			if i == 'N' {
				n.codes[i].flags = nutInvalid
				continue
			}
			c.lsb = size + j
			n.codes[i] = c
			j++
		}
	}
	n.elided = [][]byte{nil}
	for range min(f.uint(), 127) {
		n.elided = append(n.elided, f.bytes())
	}
}

func (n *nutReader) streamHeader(f *fields) {
	f.uint() // stream
	if class := f.uint(); class != 1 {
		f.fail("a stream that is not audio")
	}
	f.bytes() // fourcc
	f.uint()  // time base
	n.shift = f.uint()
	if n.shift >= 16 {
		f.fail("timestamps of %d bits", n.shift)
	}
}

func (n *nutReader) frame(c frameCode) (packet, error) {
	var err error
	number := func() (v uint64) {
		if err == nil {
			v, err = n.uint()
		}
		return v
	}
	if c.flags&nutInvalid != 0 {
		return packet{}, fmt.Errorf("%w: an invalid frame code", errNUT)
	}
	if c.flags&nutCoded != 0 {
		c.flags ^= number()
	}
	if c.flags&nutStreamID != 0 {
		number()
	}
	pts := n.last + c.delta
	if c.flags&nutCodedPTS != 0 {
		coded := number()
		if full := uint64(1) << n.shift; coded < full {
			mask := int64(full - 1) //nolint:gosec // 16 bits
			from := n.last - mask/2
			pts = (int64(coded)-from)&mask + from //nolint:gosec // 16 bits
		} else {
			pts = int64(coded - full) //nolint:gosec // a wrong one is only a wrong time
		}
	}
	size := c.lsb
	if c.flags&nutSizeMSB != 0 {
		size += c.mul * number()
	}
	if c.flags&nutMatchTime != 0 {
		number()
	}
	if c.flags&nutHeaderIdx != 0 {
		c.header = number()
	}
	if c.flags&nutReserved != 0 {
		c.reserved = number()
	}
	for range min(c.reserved, 256) {
		number()
	}
	if err == nil && c.flags&nutChecksum != 0 {
		_, err = n.r.Discard(4)
	}
	if err != nil {
		return packet{}, err
	}
	if size > maxPacket || c.header >= uint64(len(n.elided)) || c.flags&nutSideData != 0 {
		return packet{}, fmt.Errorf("%w: a packet of %d bytes, flags %#x", errNUT, size, c.flags)
	}
	n.last = pts
	head := n.elided[c.header]
	if size > 4096 {
		head = nil // large packets are complete
	}
	if len(head) == 0 && size <= uint64(n.r.Size()) { //nolint:gosec // a size
		n.unread = int(size) //nolint:gosec // at most that of r
		data, err := n.r.Peek(n.unread)
		return packet{pts: pts, data: data}, err
	}
	n.buf = append(n.buf[:0], head...)
	rest := int(size) - len(head) //nolint:gosec // at most maxPacket
	if rest < 0 {
		return packet{}, fmt.Errorf("%w: a packet of %d bytes", errNUT, size)
	}
	at := len(n.buf)
	if cap(n.buf) < at+rest {
		n.buf = append(make([]byte, 0, at+rest), n.buf...)
	}
	n.buf = n.buf[:at+rest]
	_, err = io.ReadFull(n.r, n.buf[at:])
	return packet{pts: pts, data: n.buf}, err
}

// uint reads a number of 7 bits per byte, the highest first.
func (n *nutReader) uint() (v uint64, err error) {
	for range 10 {
		b, err := n.r.ReadByte()
		if err != nil {
			return 0, err
		}
		v = v<<7 | uint64(b&0x7F)
		if b&0x80 == 0 {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%w: a number of more than ten bytes", errNUT)
}

// fields reads the fields of a header. Its first error remains.
type fields struct {
	b   []byte
	err error
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: "+format, append([]any{errNUT}, args...)...)
	}
	f.b = nil
}

func (f *fields) uint() (v uint64) {
	for i, b := range f.b {
		if i == 10 {
			break
		}
		v = v<<7 | uint64(b&0x7F)
		if b&0x80 == 0 {
			f.b = f.b[i+1:]
			return v
		}
	}
	f.fail("a header that is too short")
	return 0
}

func (f *fields) int() int64 {
	v := f.uint() + 1
	if v&1 != 0 {
		return -int64(v >> 1) //nolint:gosec // a shifted number fits
	}
	return int64(v >> 1) //nolint:gosec // a shifted number fits
}

func (f *fields) bytes() []byte {
	n := f.uint()
	if n > uint64(len(f.b)) {
		f.fail("a header that is too short")
		return nil
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}
