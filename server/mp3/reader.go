package mp3

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Reader reads a stream that consists of frames only, without tags and without an
// Info frame. Its memory does not depend on the length of the stream.
type Reader struct {
	r      *bufio.Reader
	offset int64  // bytes read
	main   []byte // the end of the main data so far
	format Header // of the first frame
	err    error
}

// readBuffer is the size of the reader's buffer in bytes.
const readBuffer = 32 << 10

// NewReader returns a Reader that reads from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, readBuffer)} }

// Ready reports whether a whole frame has been read from the underlying reader already,
// so that Next returns without waiting for it.
func (r *Reader) Ready() bool { return r.r.Buffered() >= maxFrame }

// Errors of Reader.Next.
var (
	// ErrFormat is the error of a frame that is not what a stream of LAME's has:
	// its format differs from that of the first one, it has a CRC, or its main
	// data ends after it.
	ErrFormat = errors.New("unexpected frame")
)

// Next returns the next frame as soon as its last byte has been read. The caller
// may keep it. At the end of the stream, the error is io.EOF; inside a frame,
// io.ErrUnexpectedEOF.
func (r *Reader) Next() (*Frame, error) {
	if r.err != nil {
		return nil, r.err
	}
	f, err := r.next()
	if err != nil {
		if err != io.EOF { //nolint:errorlint // only the bare io.EOF is the end of the stream
			err = fmt.Errorf("MP3 frame at byte %d: %w", r.offset, err)
		}
		r.err = err
		return nil, err
	}
	return f, nil
}

func (r *Reader) next() (*Frame, error) {
	f := new(Frame)
	if _, err := io.ReadFull(r.r, f.Head[:]); err != nil {
		return nil, err
	}
	var err error
	if f.Header, err = ParseHeader(f.Head[:]); err != nil {
		return nil, err
	}
	switch {
	case r.format == Header{}:
		r.format = f.Header
	case !f.SameFormat(r.format):
		return nil, fmt.Errorf("%w: its format differs from that of the frames before it", ErrFormat)
	}
	if f.CRC {
		return nil, fmt.Errorf("%w: it has a CRC", ErrFormat)
	}
	side := f.Side[:f.SideInfoSize()]
	if err := r.readFull(side); err != nil {
		return nil, err
	}
	f.Begin = f.begin(side)
	side[0] = 0
	if f.Version == MPEG1 {
		side[1] &= 0x7F
	}
	f.Bits, _ = f.parts(side)

	// Of the main data before the frame, no more is needed than what
	// main_data_begin can address.
	if old := len(r.main) - f.maxBegin(); old > 0 {
		r.main = r.main[:copy(r.main, r.main[old:])]
	}
	before := len(r.main)
	slot := f.Size() - f.offset()
	if need := before + slot; need > cap(r.main) {
		r.main = append(make([]byte, 0, need+maxFrame), r.main...)
	}
	r.main = r.main[:before+slot]
	if err := r.readFull(r.main[before:]); err != nil {
		return nil, err
	}
	size := (f.Bits + 7) / 8
	switch start := before - f.Begin; {
	case size > f.Begin+slot:
		return nil, fmt.Errorf("%w: its main data ends after it", ErrFormat)
	case start >= 0:
		f.Data = make([]byte, size)
		copy(f.Data, r.main[start:])
		if rest := f.Bits % 8; rest > 0 {
			f.Data[size-1] &= 0xFF << (8 - rest)
		}
	}
	r.offset += int64(f.Size())
	return f, nil
}

// maxFrame is the size in bytes of the largest frame: 320 kbit/s at 32 kHz, with
// padding.
const maxFrame = 1441

// readFull is io.ReadFull inside a frame, where no end is expected.
func (r *Reader) readFull(b []byte) error {
	_, err := io.ReadFull(r.r, b)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
