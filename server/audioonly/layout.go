package audioonly

import (
	"encoding/binary"
	"sort"
)

// layout describes a virtual file as a sequence of extents: ranges of the source, and
// literal bytes. There can be millions of ranges, so they are stored as differences, in
// four to five bytes each.
type layout struct {
	size     int64
	blocks   []block
	literals literals
	last     extent // is not encoded yet, because it may grow
	at       int64  // offset of last in the virtual file
	end      int64  // where the last encoded range ended in the source
}

// extent is a range of the source or of the literal bytes.
type extent struct {
	literal bool
	at, n   int64
}

// block holds encoded extents, and what is needed to decode them without those before.
type block struct {
	offset  int64 // in the virtual file
	end     int64 // where the range before ended in the source
	literal int64 // offset in the literal bytes
	data    []byte
}

const (
	blockSize = 1 << 10
	maxExtent = 2 * binary.MaxVarintLen64 // bytes of an encoded extent
)

// source appends n bytes of the source from an offset on.
func (l *layout) source(at, n int64) {
	if n <= 0 {
		return
	}
	if !l.last.literal && l.last.n > 0 && l.last.at+l.last.n == at {
		l.last.n += n
	} else {
		l.flush()
		l.last = extent{at: at, n: n}
	}
	l.size += n
}

// literal appends a copy of b, and returns its place for patch.
func (l *layout) literal(b []byte) int64 {
	place := l.literals.size
	if len(b) == 0 {
		return place
	}
	if !l.last.literal {
		l.flush()
		l.last = extent{literal: true, at: l.literals.size}
	}
	l.last.n += int64(len(b))
	l.size += int64(len(b))
	l.literals.append(b)
	return place
}

// patch replaces literal bytes.
func (l *layout) patch(place int64, b []byte) {
	for len(b) > 0 {
		n := copy(l.literals.chunks[place/chunkSize][place%chunkSize:], b)
		b, place = b[n:], place+int64(n)
	}
}

// memory returns about how many bytes of memory the layout uses.
func (l *layout) memory() int64 {
	return int64(len(l.blocks))*(blockSize+64) + int64(len(l.literals.chunks))*chunkSize
}

// flush encodes the last extent.
func (l *layout) flush() {
	p := l.last
	if p.n == 0 {
		return
	}
	if i := len(l.blocks) - 1; i < 0 || len(l.blocks[i].data) > blockSize-maxExtent {
		at := l.literals.size
		if p.literal {
			at = p.at
		}
		l.blocks = append(l.blocks, block{offset: l.at, end: l.end, literal: at, data: make([]byte, 0, blockSize)})
	}
	b := &l.blocks[len(l.blocks)-1]
	if p.literal {
		b.data = binary.AppendUvarint(b.data, uint64(p.n)<<1|1)
	} else {
		b.data = binary.AppendUvarint(b.data, uint64(p.n)<<1)
		b.data = binary.AppendVarint(b.data, p.at-l.end)
		l.end = p.at + p.n
	}
	l.at += p.n
	l.last = extent{}
}

// cursor goes through the extents.
type cursor struct {
	extent
	skip   int64 // bytes before the wanted offset
	data   []byte
	blocks []block // after data
	end    int64   // as in block
	after  int64   // where the next literal bytes are
}

// seek returns a cursor whose first extent begins at an offset in the virtual file.
func (l *layout) seek(off int64) *cursor {
	i := sort.Search(len(l.blocks), func(i int) bool { return l.blocks[i].offset > off }) - 1
	if i < 0 || off >= l.size {
		return &cursor{}
	}
	b := l.blocks[i]
	return &cursor{skip: off - b.offset, data: b.data, blocks: l.blocks[i+1:], end: b.end, after: b.literal}
}

// next moves to the next extent. It returns false at the end.
func (c *cursor) next() bool {
	for {
		if len(c.data) == 0 {
			if len(c.blocks) == 0 {
				return false
			}
			c.data, c.blocks = c.blocks[0].data, c.blocks[1:]
		}
		head, k := binary.Uvarint(c.data)
		c.data = c.data[k:]
		c.n, c.literal = int64(head>>1), head&1 == 1
		if c.literal {
			c.at = c.after
			c.after += c.n
		} else {
			delta, k := binary.Varint(c.data)
			c.data = c.data[k:]
			c.at = c.end + delta
			c.end = c.at + c.n
		}
		if c.skip < c.n {
			c.at += c.skip
			c.n -= c.skip
			c.skip = 0
			return true
		}
		c.skip -= c.n
	}
}

// literals are bytes in chunks, so that appending does not copy them.
type literals struct {
	size   int64
	chunks [][]byte
}

const chunkSize = 32 << 10

func (l *literals) append(b []byte) {
	l.size += int64(len(b))
	for len(b) > 0 {
		i := len(l.chunks) - 1
		if i < 0 || len(l.chunks[i]) == chunkSize {
			l.chunks = append(l.chunks, nil)
			i++
		}
		n := min(len(b), chunkSize-len(l.chunks[i]))
		l.chunks[i] = append(l.chunks[i], b[:n]...)
		b = b[n:]
	}
}

// copyAt copies len(p) bytes, which must exist.
func (l *literals) copyAt(p []byte, at int64) int {
	n := 0
	for n < len(p) {
		from := at + int64(n)
		n += copy(p[n:], l.chunks[from/chunkSize][from%chunkSize:])
	}
	return n
}
