package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

var errNoFrame = errors.New("the MP3 has no frame")

// mp3Duration returns an MP3's exact duration from its Xing/Info and LAME
// header. It returns an error if the header is missing or does not match the
// file, because players need it too.
func mp3Duration(path string) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("opening the MP3: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("stat the MP3: %w", err)
	}
	start, err := afterID3(f)
	if err != nil {
		return 0, fmt.Errorf("reading the MP3's tag: %w", err)
	}
	head := make([]byte, 512)
	n, err := f.ReadAt(head, start)
	if n == 0 {
		return 0, errNoFrame
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("reading the MP3's header: %w", err)
	}
	x, err := parseXing(head[:n])
	if err != nil {
		return 0, err
	}
	if x.bytes > info.Size()-start {
		return 0, fmt.Errorf("the MP3 has %d bytes of audio, but its header says %d", info.Size()-start, x.bytes)
	}
	return x.duration(), nil
}

// afterID3 returns the offset of the first byte after the ID3v2 tag.
func afterID3(r io.ReaderAt) (int64, error) {
	var h [10]byte
	switch n, err := r.ReadAt(h[:], 0); {
	case n < len(h) && errors.Is(err, io.EOF):
		return 0, nil
	case n < len(h):
		return 0, err
	case string(h[:3]) != "ID3":
		return 0, nil
	}
	return 10 + int64(h[6])<<21 + int64(h[7])<<14 + int64(h[8])<<7 + int64(h[9]), nil
}

// xing is the header in the first frame of an MP3.
// See http://gabriel.mp3-tech.org/mp3infotag.html.
type xing struct {
	rate       int   // Hz
	perFrame   int   // samples in a frame
	frames     int64 // without the header's own frame
	bytes      int64 // with the header's own frame
	delay, pad int64 // samples of silence that the encoder added at start and end
}

func (x xing) duration() time.Duration {
	samples := max(0, x.frames*int64(x.perFrame)-x.delay-x.pad)
	return time.Duration(float64(samples) / float64(x.rate) * float64(time.Second))
}

var errXing = errors.New("the MP3 has no Xing or Info header")

func parseXing(b []byte) (xing, error) {
	if len(b) < 4 || b[0] != 0xFF || b[1]&0xE6 != 0xE2 || b[2]>>2&3 == 3 {
		return xing{}, errXing
	}
	x := xing{rate: []int{44100, 48000, 32000}[b[2]>>2&3], perFrame: 1152}
	mono, side := b[3]>>6 == 3, 32
	if version := b[1] >> 3 & 3; version != 3 {
		x.perFrame, side = 576, 17
		x.rate /= 2
		if version == 0 { // MPEG-2.5
			x.rate /= 2
		}
		if mono {
			side = 9
		}
	} else if mono {
		side = 17
	}
	// After the side information follow the name, the flags and the fields that the
	// flags announce (an encoder that can seek writes all of them): frames, bytes, a
	// table of 100 bytes, quality; then LAME's extension.
	b = b[min(len(b), 4+side):]
	const all = 0xF
	if len(b) < 144 || !bytes.HasPrefix(b, []byte("Xing")) && !bytes.HasPrefix(b, []byte("Info")) || b[7]&all != all {
		return xing{}, errXing
	}
	x.frames = int64(binary.BigEndian.Uint32(b[8:]))
	x.bytes = int64(binary.BigEndian.Uint32(b[12:]))
	x.delay = int64(b[141])<<4 | int64(b[142])>>4
	x.pad = int64(b[142]&15)<<8 | int64(b[143])
	return x, nil
}
