package mp3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/soundextract/sx/server/mp3"
)

// writes records what each Write was given.
type writes [][]byte

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, bytes.Clone(p))
	return len(p), nil
}

func TestLayoutWritesFrames(t *testing.T) {
	for _, rec := range recordings {
		var w writes
		layout := mp3.NewLayout(&w, rec.setting.bitRate == 0, recordedVersion)
		frames := rec.parsed(t)
		for _, f := range frames {
			if _, err := layout.Add(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := layout.Close(); err != nil {
			t.Fatal(err)
		}
		if len(w) != len(frames) {
			t.Fatalf("%v: %d writes for %d frames", rec, len(w), len(frames))
		}
		for i, b := range w {
			if h, err := mp3.ParseHeader(b); err != nil || h.Size() != len(b) {
				t.Errorf("%v: write %d has %d bytes: %+v, %v", rec, i, len(b), h, err)
			}
		}
	}
}

// TestReservoir compares the reservoir before each frame with where the frames of
// one pass begin: it is larger only by the stuffing before them.
func TestReservoir(t *testing.T) {
	for _, rec := range recordings {
		layout := mp3.NewLayout(io.Discard, rec.setting.bitRate == 0, recordedVersion)
		for i, f := range rec.parsed(t) {
			before := layout.Reservoir()
			begin, err := layout.Add(f)
			if err != nil {
				t.Fatal(err)
			}
			if before%8 != 0 || before < 8*f.Begin || begin != f.Begin {
				t.Errorf("%v: frame %d: the reservoir has %d bits; begins at %d, want %d", rec, i, before, begin, f.Begin)
			}
		}
	}
}

// TestClone adds the second half of the frames to a clone first: the original must
// not change, and both must write the same.
func TestClone(t *testing.T) {
	for _, rec := range recordings {
		frames := rec.parsed(t)
		var out, ahead bytes.Buffer
		layout := mp3.NewLayout(&out, rec.setting.bitRate == 0, recordedVersion)
		add := func(l *mp3.Layout, frames []*mp3.Frame) {
			for _, f := range frames {
				if begin, err := l.Add(f); err != nil || begin != f.Begin {
					t.Fatalf("%v: %d, %v, want %d", rec, begin, err, f.Begin)
				}
			}
		}
		half := len(frames) / 2
		add(layout, frames[:half])
		written := out.Len()
		clone := layout.Clone(&ahead)
		add(clone, frames[half:])
		if err := clone.Close(); err != nil {
			t.Fatal(err)
		}
		add(layout, frames[half:])
		if err := layout.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ahead.Bytes(), out.Bytes()[written:]) || !bytes.Equal(out.Bytes(), rec.frames(t)) {
			t.Errorf("%v: the clone wrote something else", rec)
		}
	}
}

func TestAddErrors(t *testing.T) {
	frames := recordings[1].parsed(t) // CBR, 44.1 kHz
	cut := *frames[0]
	cut.Data = nil
	mono := recordings[2].parsed(t)[0]
	padded := *frames[0]
	padded.Padding, padded.Head[2] = 1, padded.Head[2]|2
	for _, c := range []struct {
		name string
		f    *mp3.Frame
		want error
	}{
		{"too large", withBits(frames[0], 8000), mp3.ErrTooLarge},
		{"no main data", &cut, mp3.ErrNoData},
		{"padding of another frame", &padded, mp3.ErrPadding},
	} {
		var out bytes.Buffer
		layout := mp3.NewLayout(&out, false, recordedVersion)
		if _, err := layout.Add(c.f); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		for _, f := range frames { // as if nothing had been added
			if _, err := layout.Add(f); err != nil {
				t.Fatal(err)
			}
			if _, err := layout.Add(mono); !errors.Is(err, mp3.ErrFormat) {
				t.Fatalf("%s: mono after stereo: %v", c.name, err)
			}
		}
		if err := layout.Close(); err != nil || !bytes.Equal(out.Bytes(), recordings[1].frames(t)) {
			t.Errorf("%s: the stream is another one after the error; %v", c.name, err)
		}
	}
	vbr := mp3.NewLayout(io.Discard, true, recordedVersion)
	f := recordings[0].parsed(t)[0]
	if _, err := vbr.Add(withBits(f, 8065)); !errors.Is(err, mp3.ErrTooLarge) { // 1044 bytes at 320 kbit/s, without 36
		t.Errorf("8065 bits in VBR: %v", err)
	}
	if _, err := vbr.Add(withBits(f, 8064)); err != nil {
		t.Errorf("8064 bits in VBR: %v", err)
	}
	if err := vbr.Close(); err != nil {
		t.Error(err)
	}
	if _, err := vbr.Add(recordings[0].parsed(t)[1]); !errors.Is(err, mp3.ErrClosed) || !errors.Is(vbr.Close(), mp3.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestBitRate lays out the first frame of a VBR stream: its bit rate is the highest
// that leaves no more than 4088 bits unused, and it has no padding.
func TestBitRate(t *testing.T) {
	f := recordings[0].parsed(t)[0] // 44.1 kHz, stereo
	f.Padding, f.Head[2] = 1, f.Head[2]|2
	for bits, want := range map[int]int{
		0:    32,
		1:    160, // 3888 bits, and 4720 at 192 kbit/s
		631:  160,
		632:  192,
		3975: 256,
		3976: 320, // 8064 bits
		8064: 320,
	} {
		var out bytes.Buffer
		layout := mp3.NewLayout(&out, true, recordedVersion)
		if _, err := layout.Add(withBits(f, bits)); err != nil {
			t.Fatal(err)
		}
		if err := layout.Close(); err != nil {
			t.Fatal(err)
		}
		if g := parse(t, out.Bytes())[0]; g.BitRate != want || g.Padding != 0 {
			t.Errorf("%d bits: %d kbit/s, padding %d, want %d", bits, g.BitRate, g.Padding, want)
		}
	}
}

// TestStuffing lays out the first frame of a CBR stream at 320 kbit/s and 48 kHz, whose
// 7392 bits may leave 4088 for later: the rest after the main data is stuffing, of any
// size.
func TestStuffing(t *testing.T) {
	f := recordings[3].parsed(t)[0]
	const version = "3.100.7 (beta 12)"
	for n := range 300 {
		want, phase := "", 0
		add := func(text string) {
			for _, c := range []byte(text) {
				if n-len(want) >= 8 {
					want += fmt.Sprintf("%08b", c)
				}
			}
		}
		add("LAME")
		if n-len(want) >= 32 {
			add(version)
		}
		for len(want) < n {
			want += fmt.Sprint(phase)
			phase ^= 1
		}
		const offset = 36 * 8
		bits := 7392 - 4088 - n
		var out bytes.Buffer
		layout := mp3.NewLayout(&out, false, version)
		if _, err := layout.Add(withBits(f, bits)); err != nil {
			t.Fatal(err)
		}
		if err := layout.Close(); err != nil {
			t.Fatal(err)
		}
		got := ""
		for i := offset + bits; i < offset+bits+n; i++ {
			got += fmt.Sprint(out.Bytes()[i/8] >> (7 - i%8) & 1)
		}
		if got != want {
			t.Fatalf("%d bits: %s, want %s", n, got, want)
		}
		// What Close fills continues the phase.
		const left = 4088
		after := (left - 8*len("LAME"+version) - 1) % 2 // how often the last bit was inverted
		if last := out.Bytes()[out.Len()-1] & 1; int(last) != phase^after {
			t.Fatalf("%d bits: the stream ends with %d", n, last)
		}
	}
}

// TestWriterError checks that Layout keeps returning the error of a writer that fails
// once.
func TestWriterError(t *testing.T) {
	fault := errors.New("no space left")
	w := &failing{after: 3, err: fault}
	layout := mp3.NewLayout(w, true, recordedVersion)
	var err error
	for _, f := range recordings[0].parsed(t) {
		if _, e := layout.Add(f); err == nil {
			err = e
		} else if !errors.Is(e, fault) {
			t.Fatalf("%v after the error", e)
		}
	}
	if !errors.Is(err, fault) || !errors.Is(layout.Close(), fault) || w.count != 4 {
		t.Errorf("%v; %d writes", err, w.count)
	}
}

type failing struct {
	after, count int
	err          error
}

func (w *failing) Write(p []byte) (int, error) {
	w.count++
	if w.count > w.after {
		return 0, w.err
	}
	return len(p), nil
}

func TestSame(t *testing.T) {
	f := recordings[0].parsed(t)[9]
	change := func(change func(g *mp3.Frame)) *mp3.Frame {
		g := *f
		g.Data = bytes.Clone(f.Data)
		change(&g)
		return &g
	}
	for name, c := range map[string]struct {
		g        *mp3.Frame
		vbr, cbr bool
	}{
		"a copy":                  {change(func(*mp3.Frame) {}), true, true},
		"another main_data_begin": {change(func(g *mp3.Frame) { g.Begin++ }), true, false},
		"another bit rate":        {change(func(g *mp3.Frame) { g.Head[2] ^= 0x30 }), true, false},
		"padding":                 {change(func(g *mp3.Frame) { g.Head[2] ^= 2 }), true, false},
		"another private bit":     {change(func(g *mp3.Frame) { g.Head[2] ^= 1 }), false, false},
		"another mode":            {change(func(g *mp3.Frame) { g.Head[3] ^= 0x20 }), false, false},
		"another version":         {change(func(g *mp3.Frame) { g.Head[1] ^= 0x10 }), false, false},
		"side information":        {change(func(g *mp3.Frame) { g.Side[31] ^= 1 }), false, false},
		"main data":               {change(func(g *mp3.Frame) { g.Data[3] ^= 1 }), false, false},
		"unknown main data":       {change(func(g *mp3.Frame) { g.Data = nil }), false, false},
	} {
		if got := f.Same(c.g, true); got != c.vbr {
			t.Errorf("VBR, %s: %t", name, got)
		}
		if got := c.g.Same(f, false); got != c.cbr {
			t.Errorf("CBR, %s: %t", name, got)
		}
	}
	// In silence there is no main data, which is not the same as unknown main data.
	silence := recordings[3].parsed(t)[0]
	empty, unknown := withBits(silence, 0), withBits(silence, 0)
	unknown.Data = nil
	if !empty.Same(empty, true) || empty.Same(unknown, true) || unknown.Same(unknown, true) {
		t.Error("unknown main data is taken for none")
	}
}

// TestNearReservoirLimit compares with the value that the formula in the comment
// gives for stereo at 48 kHz: of the 7680 bits of a frame at 320 kbit/s, 7392 are
// left for main data, or 3696 for a granule; without a reservoir, 3327 of them,
// and 95% of two granules are 6321.3 bits. The reservoir may have 4088 bits; with
// all of it, there are 409 more for a granule than the mean, and 7799.5 for both.
func TestNearReservoirLimit(t *testing.T) {
	f := recordings[3].parsed(t)[0]
	for _, c := range []struct {
		reservoir, bits int
		want            bool
	}{
		{0, 0, false},
		{0, 6321, false},
		{0, 6322, true},
		{3679, 6321, false},
		{3679, 6322, true},
		{3680, 7024, false}, // 95% of twice 3696 + 3680 - 3679
		{3680, 7025, true},
		{4088, 7799, false},
		{4088, 7800, true},
	} {
		if got := withAllParts(f, c.bits).NearReservoirLimit(c.reservoir); got != c.want {
			t.Errorf("%d bits, reservoir of %d: %t", c.bits, c.reservoir, got)
		}
	}
	// A part without main data leaves its share unused.
	one := withBits(f, 1600)
	if !one.NearReservoirLimit(0) || withAllParts(f, 1600).NearReservoirLimit(0) {
		t.Error("a quarter of the parts has a quarter of the bits")
	}
}
