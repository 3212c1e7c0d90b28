package ffmpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/soundextract/sx/server/internal/matroska"
)

// block is a packet with its time, which Matroska rounds to milliseconds.
type block struct {
	at   time.Duration
	data []byte
}

// blockReader reads the blocks of a Matroska stream with one track, the form in which
// ffmpeg passes packets that it copies. (NUT is simpler, but ffmpeg's muxer writes MP3
// wrongly.)
type blockReader struct {
	r       *bufio.Reader
	cluster int64 // its time in ms
	buf     []byte
}

func newBlockReader(r io.Reader) *blockReader { return &blockReader{r: bufio.NewReaderSize(r, 1<<16)} }

var errMatroska = errors.New("ffmpeg's output is not Matroska with one track")

// maxBlock bounds a block, in bytes.
const maxBlock = 16 << 20

// next returns the next block, whose data is valid until the following call, or io.EOF.
func (b *blockReader) next() (block, error) {
	for {
		h, err := b.header()
		if err != nil {
			return block{}, err
		}
		switch h.ID {
		case matroska.Segment, matroska.Cluster, matroska.BlockGroup: // what they contain follows
			continue
		}
		if h.Size < 0 || h.Size > maxBlock {
			return block{}, fmt.Errorf("%w: an element of %d bytes", errMatroska, h.Size)
		}
		size := int(h.Size)
		switch h.ID {
		case matroska.Timestamp, matroska.SimpleBlock, matroska.Block:
		default:
			if _, err := b.r.Discard(size); err != nil {
				return block{}, unexpected(err)
			}
			continue
		}
		if cap(b.buf) < size {
			b.buf = make([]byte, size)
		}
		b.buf = b.buf[:size]
		if _, err := io.ReadFull(b.r, b.buf); err != nil {
			return block{}, unexpected(err)
		}
		if h.ID == matroska.Timestamp {
			b.cluster = int64(matroska.Uint(b.buf)) //nolint:gosec // ffmpeg's own time
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

// header reads the header of an element. Between two elements, io.EOF is the end.
func (b *blockReader) header() (matroska.Header, error) {
	head, err := b.r.Peek(matroska.MaxHeader)
	if len(head) == 0 {
		return matroska.Header{}, err
	}
	h, invalid := matroska.ParseHeader(head)
	switch {
	case errors.Is(invalid, matroska.ErrShort):
		return matroska.Header{}, unexpected(err)
	case invalid != nil:
		return matroska.Header{}, fmt.Errorf("%w: %w", errMatroska, invalid)
	}
	_, err = b.r.Discard(h.Len)
	return h, err
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
