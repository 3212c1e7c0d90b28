package id3

import "fmt"

// Pad fills a tag up with padding (structure, section 3.3), so that it has the given
// size in bytes.
func Pad(tag []byte, size int) ([]byte, error) {
	const header = 10
	switch {
	case len(tag) == size:
		return tag, nil
	case len(tag) < header || len(tag) > size:
		return nil, fmt.Errorf("a tag of %d bytes cannot be filled up to %d", len(tag), size)
	}
	padded := append(make([]byte, 0, size), tag...)
	padded = padded[:size]
	n := size - header
	for i := range 4 { // 7 bits in each byte
		padded[6+i] = byte(n >> (7 * (3 - i)) & 0x7F)
	}
	return padded, nil
}
