package mp3

import "errors"

// Version is a version of the MPEG audio standard.
type Version uint8

// The versions, as the ID bits of a header name them (ISO/IEC 11172-3, 2.4.2.3,
// with the extension for MPEG-2.5).
const (
	MPEG25 Version = 0 // 8, 11.025 and 12 kHz
	MPEG2  Version = 2 // 16, 22.05 and 24 kHz
	MPEG1  Version = 3 // 32, 44.1 and 48 kHz
)

// Errors of ParseHeader.
var (
	ErrNoHeader   = errors.New("not the header of an MPEG audio frame")
	ErrNotLayer3  = errors.New("the frame is not of Layer III")
	ErrFreeFormat = errors.New("the frame has no bit rate (free format)")
)

// Header is a frame's header (ISO/IEC 11172-3, 2.4.1.3).
type Header struct {
	Version       Version
	CRC           bool // two bytes of CRC follow the header
	BitRateIndex  int  // 1 to 14
	BitRate       int  // kbit/s
	SampleRate    int  // Hz
	Padding       int  // 1 if the frame is one byte longer, otherwise 0
	Mode          int  // 0 stereo, 1 joint stereo, 2 two channels, 3 one channel
	ModeExtension int  // of joint stereo: 1 intensity, 2 mid/side, 3 both
	Channels      int  // 1 or 2
}

// headerSize is the size of a header in bytes.
const headerSize = 4

// topBitRateIndex is the highest index of a bit rate.
const topBitRateIndex = 14

// The bit rates of Layer III in kbit/s (ISO/IEC 11172-3, 2.4.2.3, and ISO/IEC
// 13818-3, 2.4.2.3).
var (
	bitRates1 = [topBitRateIndex + 1]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	bitRates2 = [topBitRateIndex + 1]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
)

// sampleRates are those of MPEG-1, in the order of a header's index; MPEG-2 has
// half of them, MPEG-2.5 a quarter.
var sampleRates = [3]int{44100, 48000, 32000}

// ParseHeader parses the first four bytes of b.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < headerSize || b[0] != 0xFF || b[1]&0xE0 != 0xE0 {
		return Header{}, ErrNoHeader
	}
	h := Header{
		Version:       Version(b[1] >> 3 & 3),
		CRC:           b[1]&1 == 0,
		BitRateIndex:  int(b[2] >> 4),
		Padding:       int(b[2] >> 1 & 1),
		Mode:          int(b[3] >> 6),
		ModeExtension: int(b[3] >> 4 & 3),
		Channels:      2,
	}
	rate := b[2] >> 2 & 3
	switch layer := b[1] >> 1 & 3; {
	case h.Version == 1 || layer == 0 || rate == 3 || h.BitRateIndex > topBitRateIndex || b[3]&3 == 2: // reserved
		return Header{}, ErrNoHeader
	case layer != 1:
		return Header{}, ErrNotLayer3
	case h.BitRateIndex == 0:
		return Header{}, ErrFreeFormat
	}
	if h.Mode == 3 {
		h.Channels = 1
	}
	h.SampleRate = sampleRates[rate]
	switch h.Version {
	case MPEG2:
		h.SampleRate /= 2
	case MPEG25:
		h.SampleRate /= 4
	}
	h.BitRate = h.bitRates()[h.BitRateIndex]
	return h, nil
}

func (h Header) bitRates() *[topBitRateIndex + 1]int {
	if h.Version == MPEG1 {
		return &bitRates1
	}
	return &bitRates2
}

// Samples returns the number of samples in each channel of a frame.
func (h Header) Samples() int { return h.granules() * granuleSamples }

// granuleSamples is the number of samples that a granule has in each channel.
const granuleSamples = 576

// granules returns how many granules a frame has (ISO/IEC 11172-3, 2.4.1.7, and
// ISO/IEC 13818-3, 2.4.1.2).
func (h Header) granules() int {
	if h.Version == MPEG1 {
		return 2
	}
	return 1
}

// Size returns the size of the frame in bytes, its header included (ISO/IEC
// 11172-3, 2.4.3.1; half of it where a frame has one granule).
func (h Header) Size() int { return h.size(h.BitRate) + h.Padding }

// size returns the size in bytes of a frame without padding that has the given
// bit rate in kbit/s.
func (h Header) size(bitRate int) int { return h.Samples() / 8 * 1000 * bitRate / h.SampleRate }

// SideInfoSize returns the size of the side information in bytes, which follows
// the header and its CRC (ISO/IEC 11172-3, 2.4.1.7, and ISO/IEC 13818-3,
// 2.4.1.2).
func (h Header) SideInfoSize() int {
	switch {
	case h.Version == MPEG1 && h.Channels == 2:
		return 32
	case h.Version == MPEG1 || h.Channels == 2:
		return 17
	default:
		return 9
	}
}

// offset returns the offset of the main data's space in a frame without CRC.
func (h Header) offset() int { return headerSize + h.SideInfoSize() }

// SameFormat reports whether frames with the two headers may stand in one
// stream.
func (h Header) SameFormat(g Header) bool {
	return h.Version == g.Version && h.SampleRate == g.SampleRate && h.Channels == g.Channels
}
