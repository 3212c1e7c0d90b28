package audioonly

import (
	"errors"
	"io"

	"github.com/soundextract/sx/server/sniff"
)

const (
	tsSync   = 0x47
	tsPacket = 188 // bytes of a packet, without what is before or after it
	tsInRow  = 5   // sync bytes in a row that show where packets begin
)

// tsGrid says where the packets of a transport stream are. Each unit is a packet with the
// time before it (M2TS) or the parity after it, if there is one.
type tsGrid struct {
	first int64 // offset of the first unit
	unit  int   // bytes of a unit
	lead  int   // bytes of a unit before its packet
}

// openTS reads a transport stream (ISO/IEC 13818-1) to its end. What is left out are the
// packets of the streams that its tables declare as pictures, empty packets, and most
// repetitions of the tables. What is kept whole, so that ffmpeg finds the same streams with
// the same clock:
//
//   - the beginning, up to more packets than the converter looks at;
//   - what follows lost synchronization;
//   - in a recording whose streams change, as much as ffmpeg reads to find streams, at the
//     beginning, at each change and at the end.
func openTS(r io.ReaderAt, size int64, o Options) (*File, error) {
	in := &tsWindow{r: r, size: size}
	grid, err := findTS(in)
	if err != nil {
		return nil, err
	}
	s := newTSScan(in, grid, tsMode{track: o.Track})
	err = s.run()
	for errors.Is(err, errTSMode) {
		s = newTSScan(in, grid, s.mode)
		err = s.run()
	}
	if err != nil {
		return nil, err
	}
	return newFile(r, "MPEG transport stream", &s.out), nil
}

// findTS finds the packets as package sniff does.
func findTS(in *tsWindow) (tsGrid, error) {
	head, err := in.from(0, sniff.Len)
	if err != nil {
		return tsGrid{}, err
	}
	head = head[:min(len(head), sniff.Len)]
	for _, unit := range []int{tsPacket, 192, 204} {
		for start := range min(unit, len(head)) {
			n := 0
			for i := start; i < len(head) && head[i] == tsSync; i += unit {
				n++
			}
			if n < tsInRow || start+n*unit < len(head) {
				continue
			}
			lead := 0
			if unit == 192 && start >= 4 {
				lead = 4
			}
			return tsGrid{first: int64(start - lead), unit: unit, lead: lead}, nil
		}
	}
	return tsGrid{}, wholeFile("the file's packets do not follow each other")
}

// tsWindow reads a source from its beginning to its end in large pieces.
type tsWindow struct {
	r    io.ReaderAt
	size int64
	at   int64 // offset of buf
	buf  []byte
}

const tsWindowSize = 1 << 20

// from returns what is buffered from an offset on, which is at least n bytes except at the
// end of the source. It is valid until the next call.
func (w *tsWindow) from(off int64, n int) ([]byte, error) {
	want := min(int64(n), w.size-off)
	if off >= w.at && off+want <= w.at+int64(len(w.buf)) {
		return w.buf[off-w.at:], nil
	}
	if w.buf == nil {
		w.buf = make([]byte, 0, tsWindowSize)
	}
	buf := w.buf[:cap(w.buf)]
	buf = buf[:min(int64(len(buf)), w.size-off)]
	w.buf = w.buf[:0]
	if k, err := w.r.ReadAt(buf, off); k < len(buf) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	w.at, w.buf = off, buf
	return buf, nil
}
