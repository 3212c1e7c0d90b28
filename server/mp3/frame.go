package mp3

import "bytes"

// Frame is the content of one frame, which does not depend on its place in the stream.
type Frame struct {
	Header

	// Head has the bytes of the header.
	Head [headerSize]byte
	// Side has the side information in its first SideInfoSize bytes, with 0 as
	// its main_data_begin.
	Side [32]byte
	// Begin is main_data_begin: how many bytes of main data before the frame the
	// frame's own begins.
	Begin int
	// Bits is the size of the frame's own main data: the sum of its
	// part2_3_length values.
	Bits int
	// Data has the frame's own main data, the last byte filled up with zero bits.
	// It is nil if the main data began before the stream.
	Data []byte
}

// maxBegin returns the highest main_data_begin: it has 9 bits, or 8 in MPEG-2 (ISO/IEC
// 11172-3, 2.4.1.7, and ISO/IEC 13818-3, 2.4.1.2).
func (h Header) maxBegin() int {
	if h.Version == MPEG1 {
		return 511
	}
	return 255
}

// begin returns main_data_begin of side information.
func (h Header) begin(side []byte) int {
	if h.Version == MPEG1 {
		return int(side[0])<<1 | int(side[1]>>7)
	}
	return int(side[0])
}

// setBegin sets main_data_begin in side information that has 0 there.
func (h Header) setBegin(side []byte, begin int) {
	if h.Version == MPEG1 {
		side[0] = byte(begin >> 1)
		side[1] |= byte(begin&1) << 7
		return
	}
	side[0] = byte(begin)
}

// parts returns the sum of all part2_3_length values in side information, and how
// many of them are not 0 (ISO/IEC 11172-3, 2.4.1.7: 59 bits for each granule and
// channel begin with one; ISO/IEC 13818-3, 2.4.1.2: 63 bits for each channel).
func (h Header) parts(side []byte) (bits, used int) {
	position, step := 18, 59 // main_data_begin 9, private_bits 5, scfsi 4
	switch {
	case h.Version == MPEG1 && h.Channels == 2:
		position = 20 // 9, 3 and two times 4
	case h.Version != MPEG1:
		position, step = 8+h.Channels, 63 // main_data_begin 8, private_bits 1 or 2
	}
	for range h.granules() * h.Channels {
		i := position / 8
		three := uint(side[i])<<16 | uint(side[i+1])<<8 | uint(side[i+2])
		length := int(three >> (12 - position%8) & 0xFFF)
		bits += length
		if length > 0 {
			used++
		}
		position += step
	}
	return bits, used
}

// Same reports whether two encoders of the same recording made the same frame:
// its main data, side information and header are the same. In VBR the headers may
// differ in bit rate and padding; otherwise they may not, nor the frames' Begin,
// since the frame's size and the reservoir influence what a CBR encoder does.
func (f *Frame) Same(g *Frame, vbr bool) bool {
	mask := byte(0xFF)
	if vbr {
		mask = 0x0D // without bit rate and padding
	} else if f.Begin != g.Begin {
		return false
	}
	return f.Data != nil && g.Data != nil &&
		f.Head[0] == g.Head[0] && f.Head[1] == g.Head[1] && f.Head[2]&mask == g.Head[2]&mask && f.Head[3] == g.Head[3] &&
		f.Side == g.Side && bytes.Equal(f.Data, g.Data)
}

// NearReservoirLimit reports whether a VBR encoder may have made the frame as it
// is because of its bit reservoir: the main data has more than 95% of the bits
// from which on LAME looks at the reservoir. Where one encoder made the frame with
// one reservoir and another would make it with another, pass the smaller of the
// two, in bits.
//
// LAME gives a granule the mean of a frame of the highest bit rate, less a tenth
// of it unless the reservoir is at least nine tenths full, when it adds what is
// above that.
func (f *Frame) NearReservoirLimit(reservoir int) bool {
	l := newLimits(f.Header)
	top := 8 * f.size(f.bitRates()[l.top])
	limit := l.reservoirLimit(top)
	mean := (top - l.overhead) / f.granules()
	target := mean - mean/10
	if reservoir*10 > limit*9 {
		target = mean + reservoir - limit*9/10
	}
	_, used := f.parts(f.Side[:])
	// Bits > 0.95 · granules · target · used / (granules · channels)
	return 20*f.Bits*f.Channels > 19*target*used
}
