package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing/iotest"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

var appendTests = []test{
	{"several Appends join", appendSeveral},
	{"an offset other than the stored one is refused", appendOffset},
	{"more data than the size is refused", appendSurplus},
	{"what arrived before a source failed is stored", appendBroken},
	{"a source that fails immediately changes nothing", appendNothing},
	{"what arrived before ctx ended is stored", appendCancelled},
	{"sources of every kind are stored", appendKinds},
	{"uploads interrupted at random places are stored correctly", appendCut},
	{"concurrent uploads are stored correctly", appendMany},
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

func appendSeveral(f *fixture) {
	data := content(2, 300_000)
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", int64(len(data))))
	at := 0
	for _, n := range []int{1, 0, 4095, 4096, 100_000, 191_808, 0} {
		f.appends("v1", at, data[at:at+n])
		at += n
		f.offset("v1", at)
	}
	f.holds("v1", data[:at])
}

func appendOffset(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 6))
	f.appends("v1", 0, []byte("abc"))
	for _, offset := range []int64{0, 2, 4, 6, 7, -1} {
		n, err := f.Videos.Append(f.ctx, "v1", offset, bytes.NewReader([]byte("xyz")))
		f.code(err, sx.CodeOffsetConflict)
		if n != 0 {
			f.t.Errorf("Append at %d stored %d bytes", offset, n)
		}
		f.offset("v1", 3)
	}
	f.appends("v1", 3, []byte("def"))
	f.holds("v1", []byte("abcdef"))
}

func appendSurplus(f *fixture) {
	data := content(3, 200_000)
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", int64(len(data))))
	f.appends("v1", 0, data[:1000])
	n, err := f.Videos.Append(f.ctx, "v1", 1000, bytes.NewReader(append(slices.Clone(data[1000:]), "more"...)))
	f.code(err, sx.CodeOffsetConflict)
	f.offset("v1", 1000+int(n))
	f.appends("v1", 1000+int(n), data[1000+int(n):])
	n, err = f.Videos.Append(f.ctx, "v1", int64(len(data)), bytes.NewReader([]byte("m")))
	f.code(err, sx.CodeOffsetConflict)
	if n != 0 {
		f.t.Errorf("a complete upload stored %d more bytes", n)
	}
	f.holds("v1", data)
}

func appendBroken(f *fixture) {
	data := content(4, 500_000)
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", int64(len(data))))
	at := 0
	for _, n := range []int{1, 70_000, 131_072, 200_000} {
		src := io.MultiReader(bytes.NewReader(data[at:at+n]), iotest.ErrReader(errors.New("connection reset")))
		got, err := f.Videos.Append(f.ctx, "v1", int64(at), src)
		f.ok(err)
		if got != int64(n) {
			f.t.Fatalf("%d of %d bytes before the failure were stored", got, n)
		}
		at += n
		f.offset("v1", at)
		f.reopen()
		f.offset("v1", at)
	}
	f.appends("v1", at, data[at:])
	f.holds("v1", data)
}

func appendNothing(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", 3))
	before, err := f.Videos.Stat(f.ctx, "v1")
	f.ok(err)
	for _, src := range []io.Reader{iotest.ErrReader(io.ErrUnexpectedEOF), bytes.NewReader(nil)} {
		n, err := f.Videos.Append(f.ctx, "v1", 0, src)
		f.ok(err)
		if n != 0 {
			f.t.Errorf("%d bytes were stored without any input", n)
		}
	}
	after, err := f.Videos.Stat(f.ctx, "v1")
	f.ok(err)
	same(f, after, before)
}

// appendCancelled cancels ctx while the source still has bytes: this is how the
// disconnect of a client reaches the store.
func appendCancelled(f *fixture) {
	const early = 250_000
	data := content(5, 32<<20)
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", int64(len(data))))
	ctx, cancel := context.WithCancel(f.ctx)
	read := 0
	n, err := f.Videos.Append(ctx, "v1", 0, readerFunc(func(p []byte) (int, error) {
		n := copy(p, data[read:])
		if read += n; read >= early {
			cancel()
		}
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	}))
	if !errors.Is(err, context.Canceled) {
		f.t.Errorf("Append returned %v, want context.Canceled", err)
	}
	if n < early || n == int64(len(data)) {
		f.t.Fatalf("%d bytes were stored, want %d and not many more", n, early)
	}
	f.offset("v1", int(n))
	f.appends("v1", int(n), data[n:])
	f.holds("v1", data)
}

type readerFunc func([]byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }

func appendKinds(f *fixture) {
	data := content(6, 150_001)
	for i, kind := range []func(io.Reader) io.Reader{
		iotest.OneByteReader,
		iotest.HalfReader,
		iotest.DataErrReader, // returns io.EOF together with the last bytes
		func(r io.Reader) io.Reader { return readerFunc(stutter(r)) },
	} {
		id := fmt.Sprint("v", i)
		f.ok(f.Videos.Create(f.ctx, id, "a.mp4", int64(len(data))))
		n, err := f.Videos.Append(f.ctx, id, 0, kind(bytes.NewReader(data)))
		f.ok(err)
		if n != int64(len(data)) {
			f.t.Errorf("kind %d: %d bytes were stored", i, n)
		}
		f.holds(id, data)
	}
}

// stutter returns no bytes and no error on every second call.
func stutter(r io.Reader) func([]byte) (int, error) {
	calls := 0
	return func(p []byte) (int, error) {
		if calls++; calls%2 == 0 {
			return 0, nil
		}
		return r.Read(p)
	}
}

func appendCut(f *fixture) {
	const cuts = 60
	data := content(7, 2<<20+123)
	random := rand.New(rand.NewPCG(1, 2))
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", int64(len(data))))
	at := 0
	for range cuts {
		n := random.IntN((len(data) - at) / 8)
		src := io.MultiReader(bytes.NewReader(data[at:at+n]), iotest.ErrReader(io.ErrUnexpectedEOF))
		got, err := f.Videos.Append(f.ctx, "v1", int64(at), src)
		f.ok(err)
		if got != int64(n) {
			f.t.Fatalf("%d of %d bytes before the interruption were stored", got, n)
		}
		at += n
		if random.IntN(4) == 0 {
			f.reopen()
		}
		f.offset("v1", at)
	}
	f.appends("v1", at, data[at:])
	f.holds("v1", data)
}

func appendMany(f *fixture) {
	const uploads = 10
	errs := make(chan error, uploads)
	for i := range uploads {
		id, data := fmt.Sprint("v", i), content(uint64(100+i), 200_000+i)
		f.ok(f.Videos.Create(f.ctx, id, "a.mp4", int64(len(data))))
		go func() {
			at := 0
			for n := 50_000; at < len(data); at += n {
				n = min(n, len(data)-at)
				if _, err := f.Videos.Append(f.ctx, id, int64(at), bytes.NewReader(data[at:at+n])); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range uploads {
		f.ok(<-errs)
	}
	for i := range uploads {
		f.holds(fmt.Sprint("v", i), content(uint64(100+i), 200_000+i))
	}
}

// A call that stores more than may be in memory must not grow the heap.
const (
	memorySize  = 128 << 20
	memoryLimit = 40 << 20
)

// memorySource returns memorySize bytes, and a function that returns by how much the
// heap had grown midway.
func memorySource() (src io.Reader, grown func() int64) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, midway, read := heap(), int64(0), 0
	return readerFunc(func(p []byte) (int, error) {
		n := min(len(p), memorySize-read)
		if n == 0 {
			return 0, io.EOF
		}
		if read += n; read > memorySize/2 && midway == 0 {
			midway = heap() - before
		}
		return n, nil
	}), func() int64 { return midway }
}

func appendMemory(f *fixture) {
	f.ok(f.Videos.Create(f.ctx, "v1", "a.mp4", memorySize))
	src, grown := memorySource()
	n, err := f.Videos.Append(f.ctx, "v1", 0, src)
	f.ok(err)
	if n != memorySize || grown() > memoryLimit {
		f.t.Errorf("%d bytes were stored, want %d; the heap grew by %d MiB", n, memorySize, grown()>>20)
	}
}

func putMemory(f *fixture) {
	src, grown := memorySource()
	d, err := f.Tracks.Put(f.ctx, "job-1", "talk.mp3", store.Head{Size: 1000, Bytes: func() ([]byte, error) {
		return make([]byte, 1000), nil
	}}, src)
	f.ok(err)
	if d.Size != memorySize+1000 || grown() > memoryLimit {
		f.t.Errorf("%d bytes were stored, want %d; the heap grew by %d MiB", d.Size, memorySize+1000, grown()>>20)
	}
}
