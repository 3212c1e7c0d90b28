package mp3_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/soundextract/sx/server/mp3"
)

// seed returns the beginning of an MP3: the fuzzer spends its time on shortening
// longer ones.
func seed(b []byte) []byte { return b[:min(len(b), 600)] }

// FuzzReader reads any bytes. The frames that it finds must be in them, and must
// come out of a Layout as they went in.
func FuzzReader(f *testing.F) {
	for _, rec := range recordings {
		f.Add(seed(rec.frames(f)), rec.setting.bitRate == 0)
	}
	f.Add([]byte("\xff\xfb\x90\x44"), true)
	f.Fuzz(func(t *testing.T, b []byte, vbr bool) {
		if v, err := mp3.StuffingVersion(bytes.NewReader(b)); (v == "") != (err != nil) || len(v) > 32 {
			t.Fatalf("LAME's version: %q, %v", v, err)
		}
		var frames []*mp3.Frame
		var out bytes.Buffer
		r, layout := mp3.NewReader(bytes.NewReader(b)), mp3.NewLayout(&out, vbr, recordedVersion)
		size := 0
		for {
			frame, err := r.Next()
			if err != nil {
				if frame != nil || errors.Is(err, io.EOF) && size != len(b) {
					t.Fatalf("%v, %v after %d of %d bytes", frame, err, size, len(b))
				}
				break
			}
			if !bytes.HasPrefix(b[size:], frame.Head[:]) || frame.Data != nil && len(frame.Data) != (frame.Bits+7)/8 || frame.Begin > 511 {
				t.Fatalf("at byte %d: %+v", size, frame)
			}
			size += frame.Size()
			if size > len(b) {
				t.Fatalf("frames of %d bytes in %d", size, len(b))
			}
			if begin, err := layout.Add(frame); err == nil {
				frame.Begin = begin
				frames = append(frames, frame)
			}
		}
		if err := layout.Close(); err != nil {
			t.Fatal(err)
		}
		checkFrames(t, out.Bytes(), frames, vbr)
	})
}

// FuzzLayout lays out frames of any sizes, which the encoder did not make.
func FuzzLayout(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0xFF, 0xFE, 9, 0x80, 3}, byte(0), true)
	f.Add(bytes.Repeat([]byte{0x10, 0}, 100), byte(1), false)
	f.Add(bytes.Repeat([]byte{0xF1, 0xF3, 2}, 30), byte(4), true)
	f.Add(bytes.Repeat([]byte{1, 0xF3, 2}, 30), byte(5), false)
	f.Add(bytes.Repeat([]byte{1, 0xF3, 2}, 30), byte(6), true)
	f.Fuzz(func(t *testing.T, sizes []byte, format byte, vbr bool) {
		first := recordings[int(format)%7].parsed(t)[0] // the last one has none
		var frames []*mp3.Frame
		var out bytes.Buffer
		layout := mp3.NewLayout(&out, vbr, "3.100")
		for i := 0; i+1 < len(sizes); i += 2 {
			frame := withBits(first, (int(sizes[i])<<8|int(sizes[i+1]))%16000)
			before := layout.Clone(io.Discard)
			begin, err := layout.Add(frame)
			if errors.Is(err, mp3.ErrPadding) {
				frame.Padding ^= 1
				frame.Head[2] ^= 2
				begin, err = layout.Add(frame)
			}
			if err == nil {
				frame.Begin = begin
				frames = append(frames, frame)
			} else if layout.Reservoir() != before.Reservoir() {
				t.Fatalf("the reservoir changed from %d to %d bits: %v", before.Reservoir(), layout.Reservoir(), err)
			}
			if r := layout.Reservoir(); r < 0 || r > 8*511 || r%8 != 0 || first.Version != mp3.MPEG1 && r > 8*255 {
				t.Fatalf("a reservoir of %d bits", r)
			}
		}
		if err := layout.Close(); err != nil {
			t.Fatal(err)
		}
		checkFrames(t, out.Bytes(), frames, vbr)
	})
}

// checkFrames compares the frames of a stream with what was added to its Layout.
func checkFrames(t *testing.T, stream []byte, frames []*mp3.Frame, vbr bool) {
	t.Helper()
	got := parse(t, stream)
	if len(got) != len(frames) {
		t.Fatalf("%d frames, want %d", len(got), len(frames))
	}
	for i, f := range frames {
		if !got[i].Same(f, vbr) {
			t.Fatalf("frame %d: %+v, want %+v", i, got[i], f)
		}
	}
}

// FuzzInfo parses any bytes as an Info frame, and makes the Info frame of any
// bytes, in one piece and in two.
func FuzzInfo(f *testing.F) {
	for _, rec := range recordings {
		f.Add(seed(rec.file(f)), 7, 44100, 2, 128)
		f.Add(seed(rec.frames(f)), 400, rec.rate, rec.channels, rec.setting.bitRate)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut, rate, channels, bitRate int) {
		if tag, err := mp3.ReadInfo(b); err == nil && (tag.Length() < -1 || len(tag.TOC) != 0 && len(tag.TOC) != 100 || len(tag.Encoder) > 9) {
			t.Errorf("%+v", tag)
		}
		one, err := mp3.NewInfo("Lavc59.37.100", rate, channels, bitRate)
		if err != nil {
			return
		}
		two, _ := mp3.NewInfo("Lavc59.37", rate, channels, bitRate)
		_, err = one.Write(b)
		cut = max(0, min(cut, len(b)))
		_, errTwo := two.Write(b[:cut])
		if errTwo == nil {
			_, errTwo = two.Write(b[cut:])
		}
		if (err == nil) != (errTwo == nil) {
			t.Fatalf("in one piece: %v; in two: %v", err, errTwo)
		}
		if err != nil {
			return
		}
		samples := max(0, one.Frames()*int64(one.Samples())-1152)
		head, err := one.Bytes(samples)
		headTwo, errTwo := two.Bytes(samples)
		if !bytes.Equal(head, headTwo) || (err == nil) != (errTwo == nil) {
			t.Fatalf("in one piece: %x, %v; in two: %x, %v", head, err, headTwo, errTwo)
		}
		if err != nil {
			return
		}
		tag, err := mp3.ReadInfo(head)
		if err != nil || tag.Frames != one.Frames() || tag.Bytes != int64(len(b)+len(head)) || tag.Length() != samples || tag.Encoder != "Lavc59.37" {
			t.Errorf("%+v, %v of %d samples", tag, err, samples)
		}
	})
}
