package mp3_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/soundextract/sx/server/mp3"
)

// split separates an MP3 into its Info frame and the frames after it.
func split(tb testing.TB, file []byte) (*mp3.InfoTag, []byte) {
	tb.Helper()
	info, err := mp3.ReadInfo(file)
	if err != nil {
		tb.Fatal(err)
	}
	return info, file[info.Size():]
}

// parse returns the frames of a stream.
func parse(tb testing.TB, stream []byte) []*mp3.Frame {
	tb.Helper()
	var frames []*mp3.Frame
	r := mp3.NewReader(bytes.NewReader(stream))
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			tb.Fatal(err)
		}
		frames = append(frames, f)
	}
}

// withBits returns a frame like f with other main data of the given size in bits, or of
// the largest size if that is smaller. It fills the parts of granules and channels one
// after the other.
func withBits(f *mp3.Frame, bits int) *mp3.Frame {
	position, step, n := 8+f.Channels, 63, f.Channels // where part2_3_length is, and how often
	switch {
	case f.Version == mp3.MPEG1 && f.Channels == 2:
		position, step, n = 20, 59, 4
	case f.Version == mp3.MPEG1:
		position, step, n = 18, 59, 2
	}
	const maxLength = 4095
	bits = min(bits, n*maxLength)
	g := *f
	g.Bits = bits
	g.Data = bytes.Repeat([]byte{0xC9}, (bits+7)/8)
	if rest := bits % 8; rest > 0 {
		g.Data[len(g.Data)-1] &= 0xFF << (8 - rest)
	}
	for range n {
		length := min(bits, maxLength)
		bits -= length
		setBits(g.Side[:], position, 12, length)
		position += step
	}
	return &g
}

// setBits sets n bits of b, the highest one first.
func setBits(b []byte, at, n, value int) {
	for i := range n {
		mask := byte(0x80) >> ((at + i) % 8)
		b[(at+i)/8] &^= mask
		if value>>(n-1-i)&1 == 1 {
			b[(at+i)/8] |= mask
		}
	}
}

// checkLayout takes an MP3 apart and lays it out again. All bytes must be the
// same.
func checkLayout(t *testing.T, file []byte, s setting, rate, channels int, lame string, samples int) {
	t.Helper()
	tag, stream := split(t, file)
	var out bytes.Buffer
	layout := mp3.NewLayout(&out, s.bitRate == 0, lame)
	for i, f := range parse(t, stream) {
		begin, err := layout.Add(f)
		if err != nil {
			t.Fatalf("%v: frame %d: %v", s, i, err)
		}
		if begin != f.Begin {
			t.Fatalf("%v: frame %d: main_data_begin is %d, want %d", s, i, begin, f.Begin)
		}
	}
	if err := layout.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := mp3.NewInfo(tag.Encoder, rate, channels, s.bitRate)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := info.Write(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	head, err := info.Bytes(int64(samples))
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	again := slices.Concat(head, out.Bytes())
	if n := firstDifference(again, file); n >= 0 {
		t.Fatalf("%v: %d bytes, want %d; they differ from byte %d on", s, len(again), len(file), n)
	}
}

// firstDifference returns the offset of the first byte that differs, or -1.
func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}

// withAllParts is withBits with main data in every granule and channel of stereo
// MPEG-1.
func withAllParts(f *mp3.Frame, bits int) *mp3.Frame {
	g := withBits(f, bits)
	for part := range 4 {
		length := bits / 4
		if part == 0 {
			length += bits % 4
		}
		setBits(g.Side[:], 20+59*part, 12, length)
	}
	return g
}
