package loudness

import (
	"encoding/binary"
	"math"
)

// eachFrame calls fn with each sample of all channels. An incomplete one at the end waits
// in carry for the next call. What is not a finite number counts as 0.
func eachFrame(carry *[]byte, channels int, p []byte, fn func(frame []float32)) {
	size := 4 * channels
	var frame [2]float32
	one := func(b []byte) {
		for c := range channels {
			frame[c] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*c:]))
			if frame[c]-frame[c] != 0 {
				frame[c] = 0
			}
		}
		fn(frame[:channels])
	}
	if len(*carry) > 0 {
		n := min(size-len(*carry), len(p))
		*carry = append(*carry, p[:n]...)
		if p = p[n:]; len(*carry) < size {
			return
		}
		one(*carry)
		*carry = (*carry)[:0]
	}
	for ; len(p) >= size; p = p[size:] {
		one(p)
	}
	*carry = append(*carry, p...)
}
