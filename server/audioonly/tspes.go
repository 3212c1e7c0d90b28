package audioonly

import "bytes"

// noPTS is the time of a packet without one.
const noPTS = -1

// ptsBits is the size of a time, which counts 1/90000 s and wraps around.
const (
	ptsBits   = 33
	ptsSecond = 90_000
)

// ptsAfter returns by how much b is later than a, which is negative if it is earlier.
func ptsAfter(a, b int64) int64 {
	d := (b - a) & (1<<ptsBits - 1)
	if d >= 1<<(ptsBits-1) {
		d -= 1 << ptsBits
	}
	return d
}

// tsPayload returns the payload of a packet of a transport stream (2.4.3.2).
func tsPayload(p []byte) []byte {
	at := 4
	if p[3]&0x20 != 0 {
		at += 1 + int(p[4])
	}
	if p[3]&0x10 == 0 || at > len(p) {
		return nil
	}
	return p[at:]
}

// beginsPES reports whether a payload begins with the header of a PES packet.
func beginsPES(b []byte) bool { return len(b) >= 6 && b[0] == 0 && b[1] == 0 && b[2] == 1 }

// pesTime returns the presentation time of a PES packet (2.4.3.6), or noPTS.
func pesTime(b []byte) int64 {
	if len(b) < 14 || b[6]&0xC0 != 0x80 || b[7]&0x80 == 0 {
		return noPTS
	}
	b = b[9:14]
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
}

// pesFormat returns a number for the format of the audio frame with which a PES packet
// begins, or 0 if it does not begin with one that is known here. ffmpeg takes some codecs'
// formats from the last frame that it has read while it looked for streams.
func pesFormat(b []byte) uint32 {
	if len(b) < 9 || len(b) < 9+int(b[8])+8 {
		return 0
	}
	return frameFormat(b[9+int(b[8]):])
}

// frameFormat returns a number for the format of the audio frame with which b begins, of which
// it needs eight bytes, or 0 if it is none that is known here.
func frameFormat(b []byte) uint32 {
	switch {
	case len(b) < 8:
	case bytes.HasPrefix(b, []byte{0x0B, 0x77}):
		return ac3Format(b)
	case b[0] == 0xFF && b[1]&0xF6 == 0xF0: // ADTS: profile, sample rate, channels
		return pack('a', b[2]&0xFD, b[3]&0xC0, 0)
	case b[0] == 0xFF && b[1]&0xE0 == 0xE0: // MPEG audio: version and layer, sample rate, mono
		mono := byte(0)
		if b[3]>>6 == 3 {
			mono = 1
		}
		return pack('m', b[1]&0xFE, b[2]&0x0C, mono)
	}
	return 0
}

// ac3Format returns the sample rate and the channels of a frame (ETSI TS 102 366, 4.3 and
// E.1.2).
func ac3Format(b []byte) uint32 {
	switch id := b[5] >> 3; {
	case id <= 10:
		mode, lfe := b[6]>>5, 4
		if mode&1 != 0 && mode != 1 {
			lfe -= 2
		}
		if mode&4 != 0 {
			lfe -= 2
		}
		if mode == 2 {
			lfe -= 2
		}
		return pack('3', b[4]&0xC0, mode, b[6]>>lfe&1)
	case id <= 16 && b[2]>>6 == 0: // an independent stream
		return pack('e', b[4]&0xF0, b[4]&0x0E, b[4]&1)
	}
	return 0
}

func pack(a, b, c, d byte) uint32 {
	return uint32(a)<<24 | uint32(b)<<16 | uint32(c)<<8 | uint32(d)
}
