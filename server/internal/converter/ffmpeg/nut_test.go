package ffmpeg

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
)

// FuzzNUT reads what a decoder that a hostile file has taken over might write: nothing
// crashes, and no packet is larger than what was read.
func FuzzNUT(f *testing.F) {
	seed, err := os.ReadFile("testdata/tone.nut")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := newNUTReader(bytes.NewReader(data))
		for err == nil {
			var p packet
			p, err = n.next()
			if len(p.data) > max(len(data), 4096) { // the beginning of a short one may be elided
				t.Errorf("a packet of %d bytes in %d bytes", len(p.data), len(data))
			}
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, errNUT) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
}

// TestNUT reads the packets of a tone.
func TestNUT(t *testing.T) {
	data, err := os.ReadFile("testdata/tone.nut")
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNUTReader(bytes.NewReader(data))
	var at int64
	for err == nil {
		var p packet
		if p, err = n.next(); err == nil {
			if p.pts != at {
				t.Errorf("a packet at %d, want %d", p.pts, at)
			}
			at += int64(len(p.data) / 4)
		}
	}
	if !errors.Is(err, io.EOF) || at != 2400 {
		t.Errorf("%d samples, then %v; want 2400 and the end", at, err)
	}
}
