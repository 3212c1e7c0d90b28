package audioonly_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime/metrics"
	"slices"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
)

// FuzzMP4 opens damaged files. Its seeds are small files with all kinds of tables.
func FuzzMP4(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		tryOpen(t, b)
		// Something large next to the audio, so that it is worth while to take it out.
		filler := slices.Concat(binary.BigEndian.AppendUint32(nil, 1<<18), []byte("free"), make([]byte, 1<<18-8))
		tryOpen(t, slices.Concat(filler, b))
		tryOpen(t, slices.Concat(b, filler))
	})
}

// tryOpen demands of any file that opening it is an error of the file or gives a file that
// is smaller, always the same, and can be read at any offset; and that it takes little
// memory.
func tryOpen(t *testing.T, b []byte) {
	t.Helper()
	before := allocated()
	audio, err := audioonly.Open(bytes.NewReader(b), int64(len(b)), audioonly.Options{})
	if got := allocated() - before; got > 1<<20+40*uint64(len(b)) {
		t.Errorf("allocates %d bytes for a file of %d", got, len(b))
	}
	if err != nil {
		if _, ok := errors.AsType[*audioonly.WholeFileError](err); !ok {
			t.Errorf("error %v", err)
		}
		return
	}
	again, err := audioonly.Open(bytes.NewReader(b), int64(len(b)), audioonly.Options{})
	if err != nil || audio.Size() != again.Size() || audio.Size() > int64(len(b)) {
		t.Fatalf("sizes %d and %d of %d: %v", audio.Size(), again.Size(), len(b), err)
	}
	all := make([]byte, audio.Size())
	if n, err := audio.ReadAt(all, 0); n != len(all) || err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, len(all), err)
	}
	got, err := io.ReadAll(io.NewSectionReader(again, 0, again.Size()))
	if err != nil || !bytes.Equal(got, all) {
		t.Fatalf("read %d bytes, %v; equal: %t", len(got), err, bytes.Equal(got, all))
	}
	for off := 0; off < len(all); off += 1 + len(all)/7 {
		part := make([]byte, min(100, len(all)-off))
		if n, err := audio.ReadAt(part, int64(off)); n != len(part) || err != nil || !bytes.Equal(part, all[off:off+n]) {
			t.Fatalf("at %d: %d bytes, %v", off, n, err)
		}
	}
}

// allocated returns how many bytes were allocated so far.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
