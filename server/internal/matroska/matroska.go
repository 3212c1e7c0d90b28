// Package matroska reads and writes the headers of EBML elements (RFC 8794), of which
// Matroska and WebM files consist (RFC 9559).
package matroska

import (
	"errors"
	"math/bits"
)

// UnknownSize is the size of an element that ends where one begins that it cannot contain.
const UnknownSize = -1

// MaxHeader is the size of the longest header in bytes.
const MaxHeader = 12

// Header is the beginning of an element.
type Header struct {
	ID   uint32 // with the bit that marks its length, as in RFC 9559
	Size int64  // of the data in bytes, or UnknownSize
	Len  int    // of the header in bytes
}

var (
	// ErrShort means that bytes are missing.
	ErrShort = errors.New("an EBML element's header is cut off")
	// ErrInvalid means that the bytes are no header.
	ErrInvalid = errors.New("not the header of an EBML element")
)

// ParseHeader parses the header that b begins with. The error is ErrShort or ErrInvalid.
func ParseHeader(b []byte) (Header, error) {
	id, n, err := number(b, 4, false)
	if err != nil {
		return Header{}, err
	}
	// An ID of zeros is not allowed either (RFC 8794, section 5), but ChapterDisplay has
	// one.
	if v := id &^ (1 << (7 * n)); v == 0 && n > 1 || v == 1<<(7*n)-1 {
		return Header{}, ErrInvalid
	}
	size, k, err := number(b[n:], 8, true)
	if err != nil {
		return Header{}, err
	}
	h := Header{ID: uint32(id), Size: int64(size), Len: n + k} //nolint:gosec // 28 and 56 bits
	if size == 1<<(7*k)-1 {
		h.Size = UnknownSize
	}
	return h, nil
}

// ParseNumber parses the number that b begins with, without the bit that marks its length,
// as it is in the header of a block (RFC 9559, section 10). n is its length in bytes.
func ParseNumber(b []byte) (v uint64, n int, err error) { return number(b, 8, true) }

// number parses a number whose length is one more than its leading zero bits
// (RFC 8794, section 4).
func number(b []byte, maxLen int, unmark bool) (v uint64, n int, err error) {
	if len(b) == 0 {
		return 0, 0, ErrShort
	}
	n = bits.LeadingZeros8(b[0]) + 1
	switch {
	case n > maxLen:
		return 0, 0, ErrInvalid
	case n > len(b):
		return 0, 0, ErrShort
	}
	v = Uint(b[:n])
	if unmark {
		v &^= 1 << (7 * n)
	}
	return v, n, nil
}

// Uint returns the value of an element's data: an integer without a sign, of at most eight
// bytes.
func Uint(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// AppendHeader appends the shortest header of an element with size bytes of data.
func AppendHeader(b []byte, id uint32, size int64) []byte {
	for i := (bits.Len32(id) - 1) / 8; i >= 0; i-- {
		b = append(b, byte(id>>(8*i))) //nolint:gosec // one byte of it
	}
	n := 1
	for ; n < 8 && size >= 1<<(7*n)-1; n++ { // all ones would mean UnknownSize
	}
	return appendUint(b, 1<<(7*n)|uint64(size), n) //nolint:gosec // not negative
}

// AppendElement appends an element.
func AppendElement(b []byte, id uint32, data []byte) []byte {
	return append(AppendHeader(b, id, int64(len(data))), data...)
}

// AppendUint appends an element that contains an integer without a sign.
func AppendUint(b []byte, id uint32, v uint64) []byte {
	n := max(1, (bits.Len64(v)+7)/8)
	return appendUint(AppendHeader(b, id, int64(n)), v, n)
}

// AppendNumber appends a number with the bit that marks its length, which is the shortest.
func AppendNumber(b []byte, v uint64) []byte {
	n := 1
	for ; n < 8 && v >= 1<<(7*n)-1; n++ {
	}
	return appendUint(b, 1<<(7*n)|v, n)
}

func appendUint(b []byte, v uint64, n int) []byte {
	for i := n - 1; i >= 0; i-- {
		b = append(b, byte(v>>(8*i))) //nolint:gosec // one byte of it
	}
	return b
}
