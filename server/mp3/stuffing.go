package mp3

import (
	"errors"
	"fmt"
	"io"
)

// bits are the bits of an incomplete byte.
type bits struct {
	value uint
	count int
}

// stuff writes last and n bits of LAME's stuffing, which together are whole bytes:
// "LAME" as long as there is space for a character, then its version if there is
// space for four, then alternating bits, whose phase continues in later stuffing.
func (l *Layout) stuff(last bits, n int) {
	const name = "LAME"
	for i := 0; i < len(name) && n >= 8; i++ {
		last, n = l.char(last, name[i]), n-8
	}
	if n >= 32 {
		for i := 0; i < len(l.version) && n >= 8; i++ {
			last, n = l.char(last, l.version[i]), n-8
		}
	}
	for ; n > 0 && last.count > 0; n-- {
		last = bits{last.value<<1 | uint(l.phase), last.count + 1}
		l.phase ^= 1
		if last.count == 8 {
			l.fill(byte(last.value), 1)
			last = bits{}
		}
	}
	if l.phase == 0 {
		l.fill(0b01010101, n/8)
	} else {
		l.fill(0b10101010, n/8)
	}
}

// char writes the eight bits that last and the beginning of c make, and returns
// the rest of c.
func (l *Layout) char(last bits, c byte) bits {
	both := last.value<<8 | uint(c)
	l.fill(byte(both>>last.count), 1)
	return bits{both & (1<<last.count - 1), last.count}
}

// ErrNoVersion is the error of a stream without stuffing by LAME.
var ErrNoVersion = errors.New("the MP3 has no stuffing that names LAME's version")

// StuffingVersion returns LAME's version, such as "3.100", from the first long
// stuffing of a stream of frames. A short one of silence in CBR at 320 kbit/s (or
// 160 below 32 kHz) has it in its first frame.
func StuffingVersion(r io.Reader) (string, error) {
	frames := NewReader(r)
	for {
		f, err := frames.Next()
		switch {
		case errors.Is(err, io.EOF):
			return "", ErrNoVersion
		case err != nil:
			return "", fmt.Errorf("read LAME's version: %w", err)
		}
		if f.Data == nil {
			continue
		}
		start := len(frames.main) - (f.Size() - f.offset()) - f.Begin
		if v, ok := stuffedVersion(frames.main, 8*start+f.Bits); ok {
			return v, nil
		}
	}
}

// stuffedVersion returns the version in the stuffing that begins at the given bit
// of b, if at least 32 alternating bits follow it, so that it is complete and
// other bits are not taken for it.
func stuffedVersion(b []byte, bit int) (string, bool) {
	const name = "LAME"
	var text, filler []byte
	for i, shift := bit/8, bit%8; i+1 < len(b) && len(filler) < 4 && len(text) < len(name)+maxVersion; i++ {
		c := byte((uint(b[i])<<8 | uint(b[i+1])) >> (8 - shift))
		n := len(text)
		switch {
		case n < len(name) && c == name[n], n >= len(name) && len(filler) == 0 && isVersion(c):
			text = append(text, c)
		case n > len(name) && (c == 0b01010101 || c == 0b10101010) && (len(filler) == 0 || filler[0] == c):
			filler = append(filler, c)
		default:
			return "", false
		}
	}
	if len(filler) < 4 {
		return "", false
	}
	return string(text[len(name):]), true
}

// maxVersion is the length of the longest version that is accepted, in bytes.
const maxVersion = 32

// isVersion reports whether c may be part of a version, such as "3.101 (beta 2)".
func isVersion(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '.' || c == ' ' || c == '(' || c == ')'
}
