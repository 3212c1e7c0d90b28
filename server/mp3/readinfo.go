package mp3

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// ErrNoInfo is the error of a frame that is not an Info frame.
var ErrNoInfo = errors.New("the MP3 has no Xing or Info frame")

// InfoTag is what an Info frame says about its stream.
type InfoTag struct {
	Header // of the Info frame

	VBR    bool   // its name is Xing, not Info
	Frames int64  // without the Info frame; -1 if it does not say
	Bytes  int64  // of the frames, with the Info frame; -1 if it does not say
	TOC    []byte // the offset of each percent of the duration, in 256ths of Bytes; nil if it has none

	// Encoder names it, such as "LAME3.100" or "Lavc59.37". Without it, the tag has
	// no delay and padding.
	Encoder string
	Delay   int // samples of silence before the sound, without the decoder's own 529
	Padding int // samples of silence after the sound, with those 529
}

// Length returns the number of samples that each channel has, without the silence
// that the encoder added before and after them. It is -1 if the number of frames
// is not known.
func (t *InfoTag) Length() int64 {
	if t.Frames < 0 {
		return -1
	}
	return max(0, t.Frames*int64(t.Samples())-int64(t.Delay)-int64(t.Padding))
}

// ReadInfo parses the Info frame at the beginning of b, which need not end with
// it. The error is ErrNoInfo, or that of ParseHeader.
func ReadInfo(b []byte) (*InfoTag, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, err
	}
	b = b[:min(len(b), h.Size())]
	b = b[min(len(b), h.offset()):]
	t := &InfoTag{Header: h, Frames: -1, Bytes: -1}
	t.VBR = bytes.HasPrefix(b, []byte("Xing"))
	if !t.VBR && !bytes.HasPrefix(b, []byte("Info")) || len(b) < infoFrames {
		return nil, ErrNoInfo
	}
	flags := binary.BigEndian.Uint32(b[infoFlags:])
	b = b[infoFrames:]
	// A field that is not announced takes no space.
	field := func(flag uint32, size int) []byte {
		if flags&flag == 0 || len(b) < size {
			return nil
		}
		f := b[:size]
		b = b[size:]
		return f
	}
	if f := field(flagFrames, 4); f != nil {
		t.Frames = int64(binary.BigEndian.Uint32(f))
	}
	if f := field(flagBytes, 4); f != nil {
		t.Bytes = int64(binary.BigEndian.Uint32(f))
	}
	t.TOC = bytes.Clone(field(flagTOC, tocSize))
	field(flagQuality, 4)

	const lame = infoSize - infoEncoder
	if len(b) < lame {
		return t, nil
	}
	for _, name := range []string{"LAME", "Lavc", "Lavf"} { // the others have other extensions
		if bytes.HasPrefix(b, []byte(name)) {
			t.Encoder = string(bytes.TrimRight(b[:encoderSize], "\x00"))
			d := binary.BigEndian.Uint32(b[infoDelay-infoEncoder-1:])
			t.Delay, t.Padding = int(d>>12&0xFFF), int(d&0xFFF)
		}
	}
	return t, nil
}
