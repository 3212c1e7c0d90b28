package audioonly

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
)

// testLayout builds a layout of random extents over the source, and the bytes that it means.
func testLayout(rnd *rand.Rand, source []byte, extents int) (*layout, []byte) {
	l := &layout{}
	var want []byte
	at := 0
	for range extents {
		switch rnd.IntN(4) {
		case 0:
			b := make([]byte, rnd.IntN(40))
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			l.literal(b)
			want = append(want, b...)
		case 1: // elsewhere, perhaps before what was taken last
			at = rnd.IntN(len(source))
			fallthrough
		default:
			n := rnd.IntN(min(300, len(source)-at+1))
			l.source(int64(at), int64(n))
			want = append(want, source[at:at+n]...)
			at += n
		}
	}
	return l, want
}

func TestReadAt(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	source := make([]byte, 1<<16)
	for i := range source {
		source[i] = byte(rnd.Uint32())
	}
	for _, extents := range []int{0, 1, 2, 10, 1000, 5000} {
		l, want := testLayout(rnd, source, extents)
		f := newFile(bytes.NewReader(source), "test", l)
		if f.Size() != int64(len(want)) {
			t.Fatalf("%d extents: size %d, want %d", extents, f.Size(), len(want))
		}
		got := make([]byte, len(want))
		if n, err := f.ReadAt(got, 0); n != len(want) || err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d extents: read %d of %d bytes, %v; equal: %t", extents, n, len(want), err, bytes.Equal(got, want))
		}
		for range 1000 {
			off, n := rnd.IntN(len(want)+1), rnd.IntN(3000)
			got := make([]byte, n)
			k, err := f.ReadAt(got, int64(off))
			end := min(off+n, len(want))
			if !bytes.Equal(got[:k], want[off:end]) || (err == nil) != (k == n) || err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("%d extents: %d bytes at %d: got %d, %v", extents, n, off, k, err)
			}
		}
		if _, err := f.ReadAt(make([]byte, 1), -1); err == nil {
			t.Error("a negative offset is no error")
		}
	}
}

func TestAdjacentRangesAreOne(t *testing.T) {
	t.Parallel()
	l := &layout{}
	for i := range int64(1000) {
		l.source(i*10, 10)
	}
	l.flush()
	if c := l.seek(0); !c.next() || c.n != 10_000 || c.next() {
		t.Errorf("first extent: %+v", c.extent)
	}
}

func TestShorterSource(t *testing.T) {
	t.Parallel()
	l := &layout{}
	l.literal([]byte("head"))
	l.source(10, 100)
	f := newFile(bytes.NewReader(make([]byte, 50)), "test", l)
	if n, err := f.ReadAt(make([]byte, 104), 0); n != 44 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %d, %v", n, err)
	}
}

// A transport stream of 10 h has about three million packets of audio.
func TestMemoryOfRanges(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l := &layout{}
	const ranges = 3_000_000
	for i := range int64(ranges) {
		l.source(i*188*40+i%7*188, 188)
		if i%10_000 == 0 {
			l.literal([]byte("tables"))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 24<<20 {
		t.Errorf("%d ranges use %d MiB", ranges, used>>20)
	}
	if l.size != ranges*188+ranges/10_000*6 {
		t.Errorf("size %d", l.size)
	}
}
