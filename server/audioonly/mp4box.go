package audioonly

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// box is a box of an MP4 or QuickTime file in the source (ISO/IEC 14496-12, 4.2). In
// QuickTime it is called an atom.
type box struct {
	kind string
	at   int64 // offset of its header
	body int64 // offset of what follows the header
	end  int64
}

func (b box) size() int64 { return b.end - b.at }

// boxReader reads boxes. After an error, it reads zeros.
type boxReader struct {
	r    io.ReaderAt
	size int64
	err  error // the first one
	buf  []byte
	from int64 // offset of buf
}

// readSize is the number of bytes that are read at once.
const readSize = 8 << 10

func newBoxReader(r io.ReaderAt, size int64) *boxReader { return &boxReader{r: r, size: size} }

// fail sets the error, unless there is one.
func (r *boxReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = wholeFile(format, args...)
	}
}

func (r *boxReader) contradiction() { r.fail("the tables in the file contradict each other") }

// read fills p. What is read must exist.
func (r *boxReader) read(p []byte, at int64) {
	if r.err != nil {
		return
	}
	if at < 0 || at > r.size-int64(len(p)) {
		r.contradiction()
		return
	}
	if n, err := r.r.ReadAt(p, at); n < len(p) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		r.err = fmt.Errorf("reading the video's index: %w", err)
	}
}

// bytes returns n bytes, at most readSize. They are valid until the next call.
func (r *boxReader) bytes(at int64, n int) []byte {
	if at < r.from || at+int64(n) > r.from+int64(len(r.buf)) {
		if cap(r.buf) < readSize {
			r.buf = make([]byte, readSize)
		}
		r.buf = r.buf[:max(0, min(readSize, r.size-at))]
		r.from = at
		r.read(r.buf, at)
	}
	if r.err != nil || at < 0 || int64(len(r.buf)) < at-r.from+int64(n) {
		r.contradiction()
		r.buf = nil
		return make([]byte, n)
	}
	return r.buf[at-r.from:][:n]
}

func (r *boxReader) uint32(at int64) int64 { return int64(binary.BigEndian.Uint32(r.bytes(at, 4))) }

// uint64 returns a number that must be below 2^62.
func (r *boxReader) uint64(at int64) int64 {
	v := binary.BigEndian.Uint64(r.bytes(at, 8))
	if v > math.MaxInt64/2 {
		r.contradiction()
		return 0
	}
	return int64(v)
}

// box reads the header of the box at an offset. Its end may lie behind limit only if open
// is set. A size of 0 means up to limit.
func (r *boxReader) box(at, limit int64, open bool) box {
	if limit-at < 8 {
		r.contradiction()
		return box{end: limit}
	}
	b := box{at: at, body: at + 8, kind: string(r.bytes(at+4, 4))}
	size := r.uint32(at)
	switch size {
	case 0:
		size = limit - at
	case 1:
		if limit-at < 16 {
			r.contradiction()
			return box{end: limit}
		}
		size = r.uint64(at + 8)
		b.body += 8
	}
	if size < b.body-at || size > limit-at && !open || size > math.MaxInt64/4 {
		r.contradiction()
		return box{end: limit}
	}
	b.end = at + size
	return b
}

// maxChildren bounds the boxes that a box may contain.
const maxChildren = 1000

// children returns the boxes in a part of the source. QuickTime ends some lists with a zero
// of 32 bits.
func (r *boxReader) children(from, to int64) []box {
	var list []box
	for at := from; to-at >= 8 && r.err == nil; {
		b := r.box(at, to, false)
		if len(list) == maxChildren {
			r.fail("the file has too many boxes")
		}
		list = append(list, b)
		at = b.end
	}
	return list
}

// child returns the only box of a kind among several, or false if there is none.
func (r *boxReader) child(list []box, kind string) (box, bool) {
	var found box
	ok := false
	for _, b := range list {
		if b.kind != kind {
			continue
		}
		if ok {
			r.fail("the file has two %s boxes where one is allowed", kind)
		}
		found, ok = b, true
	}
	return found, ok
}

// need is child for a box that must be there.
func (r *boxReader) need(list []box, kind string) box {
	b, ok := r.child(list, kind)
	if !ok {
		r.fail("the file has no %s box where one is needed", kind)
	}
	return b
}

// table reads the entries of a table one after another.
type table struct {
	r     *boxReader
	at    int64
	count int64 // of all entries
	left  int64 // entries that were not read yet
	width int   // bytes of an entry
	buf   []byte
	all   []byte // the memory of buf
}

const tableBuffer = 24_000 // a multiple of every width

// table opens the table in a box: a version and flags, skip bytes, and the number of
// entries, each width bytes wide.
func (r *boxReader) table(b box, skip int64, width int) *table {
	at := b.body + 4 + skip
	t := &table{r: r, at: at + 4, width: width, count: r.uint32(at)}
	if t.count > (b.end-t.at)/int64(width) {
		r.contradiction()
		t.count = 0
	}
	t.left = t.count
	return t
}

// next returns the next entry, which is valid until the next call, or nil at the end.
func (t *table) next() []byte {
	if t.left == 0 || t.r.err != nil {
		return nil
	}
	if len(t.buf) == 0 {
		n := min(t.left*int64(t.width), tableBuffer)
		if t.all == nil {
			t.all = make([]byte, n)
		}
		t.buf = t.all[:n]
		t.r.read(t.buf, t.at)
		t.at += int64(len(t.buf))
	}
	entry := t.buf[:t.width]
	t.buf = t.buf[t.width:]
	t.left--
	return entry
}

func be32(b []byte) int64 { return int64(binary.BigEndian.Uint32(b)) }

func be64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
