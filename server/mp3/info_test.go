package mp3_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/soundextract/sx/server/mp3"
)

// TestInfoPieces writes a stream in pieces of all sizes.
func TestInfoPieces(t *testing.T) {
	rec := recordings[1]
	stream := rec.frames(t)
	for size := 1; size < 1500; size++ {
		info := newInfo(t, rec)
		for rest := stream; len(rest) > 0; {
			n, err := info.Write(rest[:min(size, len(rest))])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		head, err := info.Bytes(int64(rec.samples))
		if err != nil || !bytes.HasPrefix(rec.file(t), head) {
			t.Fatalf("in pieces of %d bytes, it differs: %v", size, err)
		}
		if info.Size() != len(head) || info.Frames() != int64(len(rec.parsed(t))) {
			t.Fatalf("%d frames, %d bytes", info.Frames(), info.Size())
		}
	}
}

func newInfo(tb testing.TB, rec recording) *mp3.Info {
	tb.Helper()
	tag, _ := split(tb, rec.file(tb))
	info, err := mp3.NewInfo(tag.Encoder, rec.rate, rec.channels, rec.setting.bitRate)
	if err != nil {
		tb.Fatal(err)
	}
	return info
}

func TestInfoErrors(t *testing.T) {
	for _, c := range []struct{ rate, channels int }{{96000, 2}, {0, 2}, {48000, 0}, {48000, 3}, {11024, 1}} {
		if info, err := mp3.NewInfo("Lavc59.37", c.rate, c.channels, 128); err == nil {
			t.Errorf("%d Hz, %d channels: %+v", c.rate, c.channels, info)
		}
	}
	rec := recordings[1]
	stream, samples := rec.frames(t), int64(rec.samples)

	info := newInfo(t, rec)
	if _, err := info.Write(stream[:len(stream)-1]); err != nil {
		t.Fatal(err)
	}
	if _, err := info.Bytes(samples); err == nil {
		t.Error("no error for a stream that ends inside a frame")
	}
	if _, err := info.Write(stream[len(stream)-1:]); err != nil {
		t.Fatal(err)
	}
	for _, other := range []int64{-1, 0, samples - 1152, samples + 1152} {
		if _, err := info.Bytes(other); err == nil {
			t.Errorf("no error for %d samples", other)
		}
	}
	if _, err := info.Write([]byte("no")); err != nil {
		t.Errorf("half of a header: %v", err)
	}
	if _, err := info.Bytes(samples); err == nil {
		t.Error("no error for half of a header at the end")
	}
	for range 2 {
		if _, err := info.Write([]byte(" frame")); !errors.Is(err, mp3.ErrNoHeader) {
			t.Errorf("bytes that are no frame: %v", err)
		}
	}
}

// TestInfoHour writes an hour: the table of contents still has an offset for each
// percent of it.
func TestInfoHour(t *testing.T) {
	rec := recordings[6]
	info := newInfo(t, rec)
	stream, frames := rec.frames(t), int64(0)
	for frames < 3600*int64(rec.rate)/576 {
		if _, err := info.Write(stream); err != nil {
			t.Fatal(err)
		}
		frames = info.Frames()
	}
	const encoderSilence = 1152
	head, err := info.Bytes(frames*576 - encoderSilence)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := mp3.ReadInfo(head)
	if err != nil {
		t.Fatal(err)
	}
	if tag.Frames != frames || tag.Bytes != frames/int64(len(rec.parsed(t)))*int64(len(stream))+int64(len(head)) {
		t.Errorf("%d frames, %d bytes", tag.Frames, tag.Bytes)
	}
	for percent, offset := range tag.TOC {
		if want := percent * 256 / 100; int(offset) < want-1 || int(offset) > want+1 {
			t.Errorf("%d%% is at %d/256, want %d/256", percent, offset, want)
		}
	}
}

func TestFrameCount(t *testing.T) {
	for _, c := range []struct {
		samples  int64
		perFrame int
		want     int64
	}{
		{-5, 1152, 0},
		{0, 1152, 0},
		{1, 1152, 2},
		{1152, 1152, 2},
		{1153, 1152, 3},
		{48000, 1152, 43},
		{1, 576, 3},
		{576, 576, 3},
		{577, 576, 4},
		{36_000 * 48_000, 1152, 1_500_001},
	} {
		if got := mp3.FrameCount(c.samples, c.perFrame); got != c.want {
			t.Errorf("%d samples in frames of %d: %d, want %d", c.samples, c.perFrame, got, c.want)
		}
	}
}

func TestReadInfo(t *testing.T) {
	for _, rec := range recordings {
		tag, err := mp3.ReadInfo(rec.file(t))
		if err != nil {
			t.Fatal(err)
		}
		if tag.Frames != int64(len(rec.parsed(t))) || tag.Bytes != int64(len(rec.file(t))) || len(tag.TOC) != 100 ||
			tag.Encoder != "Lavc59.37" || tag.SampleRate != rec.rate || tag.Channels != rec.channels ||
			tag.VBR != (rec.setting.bitRate == 0 && rec.samples > 0) {
			t.Errorf("%v: %+v", rec, tag)
		}
		if n := tag.Length(); n != int64(rec.samples) {
			t.Errorf("%v: %d samples, want %d", rec, n, rec.samples)
		}
	}
	if _, err := mp3.ReadInfo(recordings[0].frames(t)); !errors.Is(err, mp3.ErrNoInfo) {
		t.Errorf("a frame with sound: %v", err)
	}
	if _, err := mp3.ReadInfo(recordings[0].file(t)[:36+7]); !errors.Is(err, mp3.ErrNoInfo) {
		t.Errorf("cut inside the flags: %v", err)
	}
	if _, err := mp3.ReadInfo([]byte("ID3\x04\x00")); !errors.Is(err, mp3.ErrNoHeader) {
		t.Errorf("an ID3 tag: %v", err)
	}
}

// TestReadInfoFields reads frames whose tag has only some of the fields.
func TestReadInfoFields(t *testing.T) {
	toc := bytes.Repeat([]byte{7}, 100)
	lame := append([]byte("LAME3.100"), make([]byte, 27)...)
	lame[21], lame[22], lame[23] = 0x24, 0x04, 0x56
	other := append([]byte("GOGO3.100"), lame[9:]...)
	number := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for name, c := range map[string]struct {
		fields  [][]byte
		want    mp3.InfoTag
		samples int64
	}{
		"no fields":         {[][]byte{number(0)}, mp3.InfoTag{Frames: -1, Bytes: -1}, -1},
		"frames":            {[][]byte{number(1), number(9)}, mp3.InfoTag{Frames: 9, Bytes: -1}, 9 * 1152},
		"bytes":             {[][]byte{number(2), number(3e9)}, mp3.InfoTag{Frames: -1, Bytes: 3e9}, -1},
		"TOC":               {[][]byte{number(4), toc}, mp3.InfoTag{Frames: -1, Bytes: -1, TOC: toc}, -1},
		"LAME's tag":        {[][]byte{number(9), number(9), number(50), lame}, mp3.InfoTag{Frames: 9, Bytes: -1, Encoder: "LAME3.100", Delay: 576, Padding: 0x456}, 9*1152 - 576 - 0x456},
		"too few frames":    {[][]byte{number(1), number(1), lame}, mp3.InfoTag{Frames: 1, Bytes: -1, Encoder: "LAME3.100", Delay: 576, Padding: 0x456}, 0},
		"another's tag":     {[][]byte{number(1), number(9), other}, mp3.InfoTag{Frames: 9, Bytes: -1}, 9 * 1152},
		"in the next frame": {[][]byte{number(7), number(9), number(50), toc}, mp3.InfoTag{Frames: 9, Bytes: 50}, 9 * 1152},
		"cut after flags":   {[][]byte{number(15)}, mp3.InfoTag{Frames: -1, Bytes: -1}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			frame := make([]byte, 417)
			copy(frame, []byte{0xFF, 0xFB, 0x90, 0x44})
			n := 36 + copy(frame[36:], "Xing")
			for _, f := range c.fields {
				n += copy(frame[n:], f)
			}
			switch name {
			case "cut after flags":
				frame = frame[:n]
			case "in the next frame":
				frame[2] = 0x10 // 104 bytes
			}
			tag, err := mp3.ReadInfo(frame)
			if err != nil {
				t.Fatal(err)
			}
			if !tag.VBR || tag.Frames != c.want.Frames || tag.Bytes != c.want.Bytes || !bytes.Equal(tag.TOC, c.want.TOC) ||
				tag.Encoder != c.want.Encoder || tag.Delay != c.want.Delay || tag.Padding != c.want.Padding || tag.Length() != c.samples {
				t.Errorf("%+v of %d samples, want %+v of %d", tag, tag.Length(), c.want, c.samples)
			}
		})
	}
}
