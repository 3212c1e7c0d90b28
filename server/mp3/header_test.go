package mp3_test

import (
	"errors"
	"testing"

	"github.com/soundextract/sx/server/mp3"
)

func TestParseHeader(t *testing.T) {
	for _, c := range []struct {
		head                                    [4]byte
		rate, kbps, channels, size, n, sideInfo int
	}{
		{[4]byte{0xFF, 0xFB, 0x90, 0x44}, 44100, 128, 2, 417, 1152, 32},
		{[4]byte{0xFF, 0xFB, 0x92, 0x44}, 44100, 128, 2, 418, 1152, 32},
		{[4]byte{0xFF, 0xFB, 0x14, 0xC0}, 48000, 32, 1, 96, 1152, 17},
		{[4]byte{0xFF, 0xFB, 0xEA, 0x00}, 32000, 320, 2, 1441, 1152, 32},
		{[4]byte{0xFF, 0xF3, 0x14, 0x44}, 24000, 8, 2, 24, 576, 17},
		{[4]byte{0xFF, 0xF3, 0xE0, 0xC4}, 22050, 160, 1, 522, 576, 9},
		{[4]byte{0xFF, 0xE3, 0x88, 0x44}, 8000, 64, 2, 576, 576, 17},
		{[4]byte{0xFF, 0xE3, 0x12, 0x44}, 11025, 8, 2, 53, 576, 17},
	} {
		h, err := mp3.ParseHeader(c.head[:])
		if err != nil {
			t.Errorf("%x: %v", c.head, err)
			continue
		}
		if h.SampleRate != c.rate || h.BitRate != c.kbps || h.Channels != c.channels || h.Size() != c.size || h.Samples() != c.n || h.SideInfoSize() != c.sideInfo || h.CRC {
			t.Errorf("%x: %+v of %d bytes, %d samples, %d bytes of side information; want %+v", c.head, h, h.Size(), h.Samples(), h.SideInfoSize(), c)
		}
	}
	h, err := mp3.ParseHeader([]byte{0xFF, 0xFA, 0x90, 0x64})
	if err != nil || !h.CRC || h.Mode != 1 || h.ModeExtension != 2 {
		t.Errorf("joint stereo with a CRC: %+v, %v", h, err)
	}
}

func TestParseHeaderErrors(t *testing.T) {
	for name, c := range map[string]struct {
		head []byte
		want error
	}{
		"short":                {[]byte{0xFF, 0xFB, 0x90}, mp3.ErrNoHeader},
		"no sync":              {[]byte{0xFF, 0x1B, 0x90, 0x44}, mp3.ErrNoHeader},
		"ID3":                  {[]byte("ID3\x04"), mp3.ErrNoHeader},
		"reserved version":     {[]byte{0xFF, 0xEB, 0x90, 0x44}, mp3.ErrNoHeader},
		"reserved layer":       {[]byte{0xFF, 0xF9, 0x90, 0x44}, mp3.ErrNoHeader},
		"reserved sample rate": {[]byte{0xFF, 0xFB, 0x9C, 0x44}, mp3.ErrNoHeader},
		"forbidden bit rate":   {[]byte{0xFF, 0xFB, 0xF0, 0x44}, mp3.ErrNoHeader},
		"reserved emphasis":    {[]byte{0xFF, 0xFB, 0x90, 0x46}, mp3.ErrNoHeader},
		"Layer II":             {[]byte{0xFF, 0xFD, 0x90, 0x44}, mp3.ErrNotLayer3},
		"free format":          {[]byte{0xFF, 0xFB, 0x00, 0x44}, mp3.ErrFreeFormat},
	} {
		if h, err := mp3.ParseHeader(c.head); !errors.Is(err, c.want) || h != (mp3.Header{}) {
			t.Errorf("%s: %+v, %v, want %v", name, h, err, c.want)
		}
	}
}
