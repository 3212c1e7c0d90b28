package mp3_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/soundextract/sx/server/mp3"
)

// TestReaderStreams checks that a frame is returned before anything follows it.
func TestReaderStreams(t *testing.T) {
	stream := recordings[0].frames(t)
	pr, pw := io.Pipe()
	r := mp3.NewReader(pr)
	for rest := stream; len(rest) > 0; {
		h, err := mp3.ParseHeader(rest)
		if err != nil {
			t.Fatal(err)
		}
		go pw.Write(rest[:h.Size()]) //nolint:errcheck // the frame is missing then
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(rest, f.Head[:]) {
			t.Fatalf("another frame, at byte %d", len(stream)-len(rest))
		}
		rest = rest[h.Size():]
	}
	pw.Close() //nolint:errcheck // never fails
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("%v at the end", err)
	}
}

// TestReaderPieces reads the same frames whatever the sizes of the reads.
func TestReaderPieces(t *testing.T) {
	for _, rec := range recordings {
		want := rec.parsed(t)
		r := mp3.NewReader(iotest.OneByteReader(bytes.NewReader(rec.frames(t))))
		for i := range want {
			f, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !f.Same(want[i], false) {
				t.Fatalf("%v: another frame %d", rec, i)
			}
		}
	}
}

// TestReaderCut reads a stream without its beginning: main data that began there is
// nil, all other is as before.
func TestReaderCut(t *testing.T) {
	for _, rec := range recordings[:3] {
		stream, want := rec.frames(t), rec.parsed(t)
		const cut = 5
		unknown := 0
		for i, f := range want {
			if i < cut {
				stream = stream[f.Size():]
			}
		}
		for i, f := range parse(t, stream) {
			g := want[cut+i]
			switch {
			case f.Data == nil:
				unknown++
				if f.Begin == 0 || f.Same(g, false) {
					t.Errorf("%v: frame %d has no main data, but begins at %d", rec, i, f.Begin)
				}
			case !f.Same(g, false):
				t.Errorf("%v: another frame %d", rec, i)
			}
		}
		if unknown == 0 {
			t.Errorf("%v: all main data is known", rec)
		}
	}
}

// TestReaderMainDataEnd reads frames whose main data fills them, and frames where it is
// one bit longer.
func TestReaderMainDataEnd(t *testing.T) {
	f := recordings[3].parsed(t)[0]
	space := 8 * (f.Size() - 4 - f.SideInfoSize())
	for bits, want := range map[int]error{space: nil, space + 1: mp3.ErrFormat} {
		g := withBits(f, bits)
		stream := append(append(g.Head[:], g.Side[:]...), make([]byte, space/8)...)
		if _, err := mp3.NewReader(bytes.NewReader(stream)).Next(); !errors.Is(err, want) {
			t.Errorf("%d bits: %v, want %v", bits, err, want)
		}
	}
}

// TestMemory takes an hour apart and lays it out again: nothing of it stays in
// memory.
func TestMemory(t *testing.T) {
	rec := recordings[6]
	info := newInfo(t, rec)
	layout := mp3.NewLayout(info, true, recordedVersion)
	frames := len(rec.parsed(t))
	r := mp3.NewReader(&repeated{stream: rec.frames(t), times: 3600 * rec.rate / 576 / frames})
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := int64(0)
	for i := 0; ; i++ {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := layout.Add(f); err != nil {
			t.Fatal(err)
		}
		if i == 10*frames {
			before = heap()
		}
	}
	if grown := heap() - before; grown > 64<<10 {
		t.Errorf("%d bytes more after an hour", grown)
	}
	if err := layout.Close(); err != nil {
		t.Fatal(err)
	}
	if info.Frames() < 49_000 {
		t.Errorf("%d frames", info.Frames())
	}
}

func TestReaderErrors(t *testing.T) {
	stream := recordings[0].frames(t)
	first := parse(t, stream)[0].Size()
	change := func(at int, c byte) []byte {
		b := bytes.Clone(stream)
		b[at] = c
		return b
	}
	tooLong := bytes.Clone(stream)
	for part := range 4 {
		setBits(tooLong[4:], 20+59*part, 12, 4095)
	}
	fault := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		r      io.Reader
		frames int // before the error
		want   error
	}{
		"nothing":                   {bytes.NewReader(nil), 0, io.EOF},
		"no frame":                  {bytes.NewReader([]byte("hello, world")), 0, mp3.ErrNoHeader},
		"cut header":                {bytes.NewReader(stream[:2]), 0, io.ErrUnexpectedEOF},
		"after the header":          {bytes.NewReader(stream[:4]), 0, io.ErrUnexpectedEOF},
		"cut side information":      {bytes.NewReader(stream[:20]), 0, io.ErrUnexpectedEOF},
		"after side information":    {bytes.NewReader(stream[:36]), 0, io.ErrUnexpectedEOF},
		"cut main data":             {bytes.NewReader(stream[:first-1]), 0, io.ErrUnexpectedEOF},
		"cut second frame":          {bytes.NewReader(stream[:first+9]), 1, io.ErrUnexpectedEOF},
		"bytes after a frame":       {bytes.NewReader(append(bytes.Clone(stream[:first]), "TAG0"...)), 1, mp3.ErrNoHeader},
		"another sample rate":       {bytes.NewReader(change(first+2, stream[first+2]|4)), 1, mp3.ErrFormat},
		"one channel":               {bytes.NewReader(change(first+3, stream[first+3]|0xC0)), 1, mp3.ErrFormat},
		"a CRC":                     {bytes.NewReader(change(1, 0xFA)), 0, mp3.ErrFormat},
		"main data after the frame": {bytes.NewReader(tooLong), 0, mp3.ErrFormat},
		"error of the reader":       {io.MultiReader(bytes.NewReader(stream[:first]), iotest.ErrReader(fault)), 1, fault},
	} {
		t.Run(name, func(t *testing.T) {
			r := mp3.NewReader(c.r)
			for range c.frames {
				if _, err := r.Next(); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // the error stays
				if f, err := r.Next(); f != nil || !errors.Is(err, c.want) {
					t.Errorf("%v, %v, want %v", f, err, c.want)
				}
			}
		})
	}
}
