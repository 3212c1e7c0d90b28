package audioonly_test

import (
	"encoding/binary"
	"io"
	"os"
	"slices"
)

// periodic is a long file of units after a head, which differ only in numbers such as their
// time.
type periodic struct {
	head   []byte
	unit   []byte
	count  int64 // of units
	stamps []stamp
}

// stamp is a number of eight bytes in a unit: the unit's number times each.
type stamp struct {
	at   int
	each uint64
}

func (p *periodic) size() int64 { return int64(len(p.head)) + p.count*int64(len(p.unit)) }

// ReadAt implements io.ReaderAt.
func (p *periodic) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) && off < p.size() {
		var k int
		if at := off - int64(len(p.head)); at < 0 {
			k = copy(b[n:], p.head[off:])
		} else {
			k = p.copyUnit(b[n:], at/int64(len(p.unit)), int(at%int64(len(p.unit))))
		}
		n += k
		off += int64(k)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p *periodic) copyUnit(b []byte, number int64, at int) int {
	k := copy(b, p.unit[at:])
	for _, s := range p.stamps {
		v := binary.BigEndian.AppendUint64(nil, uint64(number)*s.each) //nolint:gosec // not negative
		if from, to := max(s.at, at), min(s.at+len(v), at+k); from < to {
			copy(b[from-at:to-at], v[from-s.at:])
		}
	}
	return k
}

// writeSparse writes the file with holes in place of zeros.
func (p *periodic) writeSparse(f *os.File) error {
	if _, err := f.WriteAt(p.head, 0); err != nil {
		return err
	}
	const piece = 512
	var places []int
	for at := 0; at < len(p.unit); at += piece {
		if at == 0 || slices.ContainsFunc(p.unit[at:min(len(p.unit), at+piece)], func(c byte) bool { return c != 0 }) {
			places = append(places, at)
		}
	}
	b := make([]byte, piece)
	for number := range p.count {
		base := int64(len(p.head)) + number*int64(len(p.unit))
		for _, at := range places {
			n := p.copyUnit(b, number, at)
			if _, err := f.WriteAt(b[:n], base+int64(at)); err != nil {
				return err
			}
		}
	}
	return f.Truncate(p.size())
}
