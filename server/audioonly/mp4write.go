package audioonly

import "encoding/binary"

// boxWriter appends boxes to a layout.
type boxWriter struct{ *layout }

// openBox is a box whose size is not known yet.
type openBox struct {
	at    int64 // in the virtual file
	place int64 // of its size
}

// open begins a box.
func (w boxWriter) open(kind string) openBox {
	o := openBox{at: w.size}
	o.place = w.literal(append(make([]byte, 4, 8), kind...))
	return o
}

// close ends a box of less than 4 GiB.
func (w boxWriter) close(o openBox) { w.patch32(o.place, w.size-o.at) }

// copy appends a box of the source as it is.
func (w boxWriter) copy(b box) { w.source(b.at, b.size()) }

func (w boxWriter) patch32(place, v int64) {
	w.patch(place, binary.BigEndian.AppendUint32(nil, uint32(v)))
}

func (w boxWriter) patch64(place, v int64) {
	w.patch(place, binary.BigEndian.AppendUint64(nil, uint64(v)))
}

// zeros appends n literal zeros, and returns their place.
func (w boxWriter) zeros(n int64) int64 {
	place := w.literals.size
	var zero [4096]byte
	for ; n > 0; n -= int64(len(zero)) {
		w.literal(zero[:min(n, int64(len(zero)))])
	}
	return place
}

// full appends a box that begins with a version and flags.
func (w boxWriter) full(kind string, versionAndFlags uint32, body ...uint32) {
	o := w.open(kind)
	w.words(append([]uint32{versionAndFlags}, body...)...)
	w.close(o)
}

// words appends literal numbers of 32 bits, and returns their place.
func (w boxWriter) words(words ...uint32) int64 {
	var b []byte
	for _, v := range words {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return w.literal(b)
}
