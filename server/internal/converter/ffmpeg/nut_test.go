package ffmpeg

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

// nutNumber encodes a number in groups of 7 bits, the highest first.
func nutNumber(v uint64) []byte {
	b := []byte{byte(v & 0x7F)}
	for v >>= 7; v > 0; v >>= 7 {
		b = append(b, byte(v&0x7F)|0x80)
	}
	slices.Reverse(b)
	return b
}

// nutHeader encodes a header of numbers and, after them, other bytes. The reader ignores
// the rest of the startcode and the checksums.
func nutHeader(kind byte, rest []byte, numbers ...uint64) []byte {
	var body []byte
	for _, v := range numbers {
		body = append(body, nutNumber(v)...)
	}
	body = append(body, rest...)
	header := []byte{'N', kind, 0, 0, 0, 0, 0, 0}
	header = append(header, nutNumber(uint64(len(body)+4))...)
	return slices.Concat(header, body, make([]byte, 4))
}

// nutStreamOf returns a stream in which frame code 0 has a timestamp and a size.
func nutStreamOf(frames ...[]byte) []byte {
	main := []uint64{
		3, 1, 65536, 1, 1, 48000, // version, streams, distance of syncpoints, time bases and the first one
		nutCodedPTS | nutSizeMSB, 6, 0, 1, 0, 0, 0, 255, // flags, fields, delta, mul, stream, size, reserved, count
		0, // elided headers
	}
	stream := slices.Concat(nutNumber(4), []byte("PSD\x10"), nutNumber(0), nutNumber(10)) // fourcc, time base, bits of timestamps
	b := slices.Concat([]byte(nutMagic), nutHeader(nutMain, nil, main...), nutHeader(nutStream, stream, 0, 1), nutHeader(nutSyncpoint, nil, 0, 0))
	return slices.Concat(append([][]byte{b}, frames...)...)
}

func nutFrame(pts uint64, data string) []byte {
	return slices.Concat([]byte{0}, nutNumber(pts), nutNumber(uint64(len(data))), []byte(data))
}

func TestNUT(t *testing.T) {
	t.Parallel()
	n, err := newNUTReader(bytes.NewReader(nutStreamOf(nutFrame(5, "abcd"), nutFrame(9, ""), nutFrame(1024+70_000, "efgh"))))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		pts  int64
		data string
	}{{5, "abcd"}, {9, ""}, {70_000, "efgh"}} {
		if p, err := n.next(); err != nil || p.pts != want.pts || string(p.data) != want.data {
			t.Fatalf("got %d %q, %v, want %d %q", p.pts, p.data, err, want.pts, want.data)
		}
	}
	if _, err := n.next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func FuzzNUT(f *testing.F) {
	whole := nutStreamOf(nutFrame(5, "abcd"), nutFrame(1024+70_000, "efgh"))
	f.Add(whole)
	f.Add(whole[:len(whole)-2])
	f.Add(nutStreamOf(slices.Concat([]byte{0}, nutNumber(1), nutNumber(1<<40))))
	f.Add([]byte(nutMagic))
	f.Add([]byte(nutMagic + "N"))
	f.Add([]byte("RIFF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := newNUTReader(bytes.NewReader(data))
		for packets := 0; err == nil; packets++ {
			var p packet
			if p, err = n.next(); len(p.data) > maxPacket || packets > len(data) {
				t.Fatalf("packet %d of %d bytes has %d", packets, len(data), len(p.data))
			}
		}
		if !errors.Is(err, errNUT) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the error is %v", err)
		}
	})
}
