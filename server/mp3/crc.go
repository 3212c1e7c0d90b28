package mp3

import "encoding/binary"

// crcTables are those of the CRC in LAME's tag: x^16 + x^15 + x^2 + 1 with the lowest
// bit first, beginning with 0. Table k has the effect of a byte that is followed by k
// others, so that eight bytes take one step.
var crcTables = func() (t [8][256]uint16) {
	for i := range 256 {
		c := uint16(i)
		for range 8 {
			c = c>>1 ^ c&1*0xA001
		}
		t[0][i] = c
	}
	for k := 1; k < len(t); k++ {
		for i := range 256 {
			c := t[k-1][i]
			t[k][i] = c>>8 ^ t[0][c&0xFF]
		}
	}
	return t
}()

// updateCRC extends crc, the CRC of some bytes, to the CRC of these bytes followed by
// b.
func updateCRC(crc uint16, b []byte) uint16 {
	t := &crcTables
	for ; len(b) >= 8; b = b[8:] {
		v := binary.LittleEndian.Uint64(b) ^ uint64(crc)
		crc = t[7][v&0xFF] ^ t[6][v>>8&0xFF] ^ t[5][v>>16&0xFF] ^ t[4][v>>24&0xFF] ^
			t[3][v>>32&0xFF] ^ t[2][v>>40&0xFF] ^ t[1][v>>48&0xFF] ^ t[0][v>>56]
	}
	for _, c := range b {
		crc = crc>>8 ^ t[0][byte(crc)^c]
	}
	return crc
}
