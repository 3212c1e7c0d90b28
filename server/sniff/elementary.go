package sniff

// Elementary audio streams have no file header. They are detected by a chain of
// frames, each of which has its own length in its header.

// frameLength returns the length in bytes of the frame at the start of b, and 0 if
// there is none.
type frameLength func(b []byte) int

func elementary(head []byte) (Format, bool) {
	for _, e := range []struct {
		format Format
		frame  frameLength
	}{{mp3, mpegFrame}, {adts, adtsFrame}, {ac3, ac3Frame}, {eac3, eac3Frame}} {
		if isChain(head, e.frame, 2) {
			return e.format, true
		}
		// A recorded broadcast may start in the middle of a frame.
		for i := 1; i < len(head); i++ {
			if isChain(head[i:], e.frame, 3) {
				return e.format, true
			}
		}
	}
	return Format{}, false
}

// isChain reports whether b consists of n or more consecutive frames, or starts with
// twice as many.
func isChain(b []byte, frame frameLength, n int) bool {
	for i := range 2 * n {
		size := frame(b)
		if size == 0 {
			return i >= n && len(b) < 8 // the rest is part of a header
		}
		if size >= len(b) {
			return i+1 >= n
		}
		b = b[size:]
	}
	return true
}

// bitrates in kbit/s by the header's index (ISO/IEC 11172-3 and 13818-3).
var bitrates = map[[2]int][15]int{ // {MPEG version 1 or 2, layer}
	{1, 1}: {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
	{1, 2}: {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
	{1, 3}: {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{2, 1}: {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
	{2, 2}: {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
	{2, 3}: {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}

// mpegFrame is for MPEG-1, -2 and -2.5 audio, layers I to III.
func mpegFrame(b []byte) int {
	if len(b) < 4 || b[0] != 0xFF || b[1]&0xE0 != 0xE0 {
		return 0
	}
	versionBits, layerBits := b[1]>>3&3, b[1]>>1&3
	bitrateBits, rateBits, padding := int(b[2]>>4), b[2]>>2&3, int(b[2]>>1&1)
	if versionBits == 1 || layerBits == 0 || bitrateBits == 0 || bitrateBits == 15 || rateBits == 3 {
		return 0
	}
	version, layer := 1, 4-int(layerBits)
	rate := []int{44100, 48000, 32000}[rateBits]
	switch versionBits {
	case 2:
		version, rate = 2, rate/2
	case 0: // MPEG-2.5
		version, rate = 2, rate/4
	}
	bps := bitrates[[2]int{version, layer}][bitrateBits] * 1000
	switch {
	case layer == 1:
		return (12*bps/rate + padding) * 4
	case layer == 3 && version == 2:
		return 72*bps/rate + padding
	default:
		return 144*bps/rate + padding
	}
}

// adtsFrame is for AAC in ADTS (ISO/IEC 14496-3 annex 1.A).
func adtsFrame(b []byte) int {
	if len(b) < 7 || b[0] != 0xFF || b[1]&0xF6 != 0xF0 || b[2]>>2&15 > 12 {
		return 0
	}
	size := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5])>>5
	if size < 7 {
		return 0
	}
	return size
}

// ac3Rates in kbit/s by half the frame size code (ETSI TS 102 366, table 4.13).
var ac3Rates = []int{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640}

func ac3Frame(b []byte) int {
	if len(b) < 6 || b[0] != 0x0B || b[1] != 0x77 || b[5]>>3 > 10 {
		return 0
	}
	code := int(b[4] & 63)
	if code/2 >= len(ac3Rates) {
		return 0
	}
	kbps := ac3Rates[code/2]
	switch b[4] >> 6 {
	case 0: // 48 kHz
		return kbps * 4
	case 1: // 44.1 kHz: with the code's lowest bit, the frame is a word longer
		return (kbps*320/147 + code&1) * 2
	case 2: // 32 kHz
		return kbps * 6
	default:
		return 0
	}
}

func eac3Frame(b []byte) int {
	if len(b) < 6 || b[0] != 0x0B || b[1] != 0x77 || b[5]>>3 <= 10 || b[5]>>3 > 16 {
		return 0
	}
	return (int(b[2]&7)<<8 | int(b[3]) + 1) * 2
}
