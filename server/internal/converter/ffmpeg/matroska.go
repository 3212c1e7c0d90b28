package ffmpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// block is a packet with its time, which Matroska rounds to milliseconds.
type block struct {
	at   time.Duration
	data []byte
}

// blockReader reads the blocks of a Matroska stream with one track, the form in which
// ffmpeg passes packets that it copies. (NUT is simpler, but ffmpeg's muxer writes MP3
// wrongly.) See RFC 8794 and RFC 9559.
type blockReader struct {
	r       *bufio.Reader
	cluster int64 // its time in ms
	buf     []byte
}

func newBlockReader(r io.Reader) *blockReader { return &blockReader{r: bufio.NewReaderSize(r, 1<<16)} }

// The identifiers of elements (RFC 9559, 5).
const (
	ebmlSegment     = 0x18538067
	ebmlCluster     = 0x1F43B675
	ebmlTime        = 0xE7
	ebmlSimpleBlock = 0xA3
	ebmlBlockGroup  = 0xA0
	ebmlBlock       = 0xA1
)

var errMatroska = errors.New("ffmpeg's output is not Matroska with one track")

// maxBlock bounds a block, in bytes.
const maxBlock = 16 << 20

// next returns the next block, whose data is valid until the following call, or io.EOF.
func (b *blockReader) next() (block, error) {
	for {
		id, err := b.number(false)
		if err != nil {
			return block{}, err // io.EOF between two elements is the end
		}
		size, err := b.number(true)
		if err != nil {
			return block{}, unexpected(err)
		}
		switch id {
		case ebmlSegment, ebmlCluster, ebmlBlockGroup: // what they contain follows
			continue
		}
		if size > maxBlock {
			return block{}, fmt.Errorf("%w: an element of %d bytes", errMatroska, size)
		}
		switch id {
		case ebmlTime, ebmlSimpleBlock, ebmlBlock:
		default:
			if _, err := b.r.Discard(int(size)); err != nil {
				return block{}, unexpected(err)
			}
			continue
		}
		if cap(b.buf) < int(size) {
			b.buf = make([]byte, size)
		}
		b.buf = b.buf[:size]
		if _, err := io.ReadFull(b.r, b.buf); err != nil {
			return block{}, unexpected(err)
		}
		if id == ebmlTime {
			b.cluster = 0
			for _, c := range b.buf {
				b.cluster = b.cluster<<8 | int64(c)
			}
			continue
		}
		// A block begins with the number of the track, its time from that of the cluster
		// and flags, of which 0x06 is lacing (RFC 9559, 10).
		if size < 4 || b.buf[0] != 0x81 || b.buf[3]&0x06 != 0 {
			return block{}, fmt.Errorf("%w: an unusual block", errMatroska)
		}
		at := b.cluster + int64(int16(binary.BigEndian.Uint16(b.buf[1:]))) //nolint:gosec // it is signed
		return block{time.Duration(at) * time.Millisecond, b.buf[4:]}, nil
	}
}

// number reads an identifier, or a size, which does not have the bit that marks the number
// of bytes (RFC 8794, 4).
func (b *blockReader) number(size bool) (uint64, error) {
	first, err := b.r.ReadByte()
	if err != nil {
		return 0, err
	}
	v, mark := uint64(first), uint64(0x80)
	for mark > 0 && v&mark == 0 {
		mark >>= 1
	}
	if mark == 0 {
		return 0, fmt.Errorf("%w: a number of more than eight bytes", errMatroska)
	}
	if size {
		v &^= mark
	}
	for ; mark < 0x80; mark <<= 1 {
		c, err := b.r.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		v = v<<8 | uint64(c)
	}
	return v, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
