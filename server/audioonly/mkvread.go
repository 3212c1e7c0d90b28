package audioonly

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/soundextract/sx/server/internal/matroska"
)

// window reads small pieces of a file from the front to the back, with few reads. What
// lies between them and is longer than the window is not read.
type window struct {
	r    io.ReaderAt
	size int64 // of the file
	at   int64 // offset of buf in the file
	buf  []byte
	n    int // bytes that are valid in buf
}

const windowSize = 64 << 10

// bytes returns up to n bytes from an offset on: fewer if the file ends there. They are
// valid until the next call. n is at most windowSize.
func (w *window) bytes(at int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.size-at))
	if at < w.at || at+int64(n) > w.at+int64(w.n) {
		if w.buf == nil {
			w.buf = make([]byte, windowSize)
		}
		want := w.buf[:min(windowSize, w.size-at)]
		got, err := w.r.ReadAt(want, at)
		if got < len(want) {
			w.n = 0
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // it was longer before
			}
			return nil, fmt.Errorf("reading the video: %w", err)
		}
		w.at, w.n = at, got
	}
	from := at - w.at
	return w.buf[from : from+int64(n)], nil
}

// element is an element of the source.
type element struct {
	id   uint32
	at   int64 // offset of the header
	data int64 // offset of the data
	end  int64 // offset after the data, or endless
}

// endless is the end of an element of unknown size.
const endless = math.MaxInt64

// errCut means that the file ends in the middle of an element's header.
var errCut = errors.New("the file ends in a header")

// element reads the header of an element at an offset. Its parent ends at limit. The data
// may go on beyond the end of the file, if the parent does.
func (w *window) element(at, limit int64) (element, error) {
	b, err := w.bytes(at, int(min(matroska.MaxHeader, limit-at)))
	if err != nil {
		return element{}, err
	}
	h, err := matroska.ParseHeader(b)
	if errors.Is(err, matroska.ErrShort) && limit > w.size {
		return element{}, errCut
	}
	if err != nil {
		return element{}, damaged(at)
	}
	e := element{id: h.ID, at: at, data: at + int64(h.Len), end: endless}
	if h.Size == matroska.UnknownSize {
		return e, nil
	}
	if h.Size > limit-e.data {
		return element{}, damaged(at)
	}
	e.end = e.data + h.Size
	return e, nil
}

// known reads the header of an element of known size, all of which is in the file.
func (w *window) known(at, limit int64) (element, error) {
	e, err := w.element(at, min(limit, w.size))
	if err == nil && e.end == endless {
		err = damaged(at)
	}
	return e, err
}

// children calls f for each child of an element, which must end where the last one does.
func (w *window) children(parent element, f func(element) error) error {
	for at := parent.data; at < parent.end; {
		e, err := w.known(at, parent.end)
		if err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
		at = e.end
	}
	return nil
}

// maxValue is the maximum size in bytes of a value that value and text read.
const maxValue = 4 << 10

// value returns the data of a small element.
func (w *window) value(e element) ([]byte, error) {
	if e.end-e.data > maxValue {
		return nil, damaged(e.at)
	}
	return w.bytes(e.data, int(e.end-e.data))
}

// uint returns the value of an element that contains an integer.
func (w *window) uint(e element) (uint64, error) {
	if e.end-e.data > 8 {
		return 0, damaged(e.at)
	}
	b, err := w.value(e)
	return matroska.Uint(b), err
}

func damaged(at int64) error { return wholeFile("the file is damaged at byte %d", at) }
