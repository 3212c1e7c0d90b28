// Package loudness measures the loudness of PCM and changes it, by ITU-R BS.1770-5: the
// integrated loudness with its gates, and the true peak. All PCM is interleaved 32-bit
// little-endian floats.
package loudness

import (
	"math"
	"slices"
)

// Meter measures the integrated loudness and the true peak of the PCM that is written to
// it. It keeps 80 bytes for each second.
type Meter struct {
	channels int
	filters  [][2]biquad // of each channel
	peak     *truePeak

	hop    int     // samples in a quarter of a block
	filled int     // samples in the current quarter
	sum    float64 // of the squares in it, over all channels
	last   [3]float64
	count  int       // quarters that are complete
	blocks []float64 // the mean square of each block
	carry  []byte
}

// NewMeter returns a meter for PCM at a rate in Hz, of 1 or 2 channels.
func NewMeter(rate, channels int) *Meter {
	m := &Meter{channels: channels, hop: rate / 10, peak: newTruePeak(channels)}
	for range channels {
		m.filters = append(m.filters, kWeighting(float64(rate)))
	}
	return m
}

// Write implements io.Writer. It returns no error.
func (m *Meter) Write(p []byte) (int, error) {
	eachFrame(&m.carry, m.channels, p, func(frame []float32) {
		for c, v := range frame {
			w := m.filters[c][1].next(m.filters[c][0].next(float64(v)))
			m.sum += w * w
		}
		m.peak.add(frame)
		if m.filled++; m.filled == m.hop {
			m.quarter()
		}
	})
	return len(p), nil
}

// quarter completes a quarter of a block; a block is 400 ms long and overlaps the next one
// by three quarters (BS.1770, annex 1).
func (m *Meter) quarter() {
	if m.count++; m.count >= 4 {
		total := m.last[0] + m.last[1] + m.last[2] + m.sum
		m.blocks = append(m.blocks, total/float64(4*m.hop))
	}
	m.last = [3]float64{m.last[1], m.last[2], m.sum}
	m.sum, m.filled = 0, 0
}

// The gates (BS.1770, annex 1): blocks below the first do not count, nor do those that
// are further than the second below the mean of the others.
const (
	absoluteGate = -70.0 // LUFS
	relativeGate = -10.0 // LU
)

// Integrated returns the integrated loudness in LUFS. It is -Inf for silence, and for less
// than 400 ms.
func (m *Meter) Integrated() float64 {
	gate := power(absoluteGate)
	loud := slices.DeleteFunc(slices.Clone(m.blocks), func(b float64) bool { return b <= gate })
	gate = mean(loud) * math.Pow(10, relativeGate/10)
	loud = slices.DeleteFunc(loud, func(b float64) bool { return b <= gate })
	return level(mean(loud))
}

// TruePeak returns the true peak relative to full scale, which is 1.
func (m *Meter) TruePeak() float64 { return float64(m.peak.most) }

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(len(values), 1))
}

// offset is the constant in BS.1770's formula of loudness: a sine of 997 Hz at full scale
// in one channel has -3.01 LUFS.
const offset = -0.691

func level(power float64) float64 { return offset + 10*math.Log10(power) }
func power(level float64) float64 { return math.Pow(10, (level-offset)/10) }

// biquad is a filter of second order in the transposed direct form II.
type biquad struct {
	b0, b1, b2, a1, a2 float64
	s1, s2             float64
}

func (f *biquad) next(x float64) float64 {
	c := *f // read at once
	y := c.b0*x + c.s1
	f.s1 = c.b1*x - c.a1*y + c.s2
	f.s2 = c.b2*x - c.a2*y
	return y
}

// kWeighting returns the two filters of BS.1770 for a rate. The recommendation has the
// coefficients at 48 kHz only. These are the frequencies, gains and Q factors of the
// analogue filters that give them by the bilinear transform.
func kWeighting(rate float64) [2]biquad {
	const (
		shelfFrequency, shelfGain, shelfQuality = 1681.9744509555319, 3.99984385397, 0.7071752369554193
		highFrequency, highQuality              = 38.13547087613982, 0.5003270373253953
		shelfMiddle                             = 0.4996667741545416 // exponent of the gain at the shelf's frequency
	)
	k := math.Tan(math.Pi * shelfFrequency / rate)
	high := math.Pow(10, shelfGain/20)
	middle := math.Pow(high, shelfMiddle)
	a0 := 1 + k/shelfQuality + k*k
	shelf := biquad{
		b0: (high + middle*k/shelfQuality + k*k) / a0,
		b1: 2 * (k*k - high) / a0,
		b2: (high - middle*k/shelfQuality + k*k) / a0,
		a1: 2 * (k*k - 1) / a0,
		a2: (1 - k/shelfQuality + k*k) / a0,
	}
	k = math.Tan(math.Pi * highFrequency / rate)
	a0 = 1 + k/highQuality + k*k
	pass := biquad{b0: 1, b1: -2, b2: 1, a1: 2 * (k*k - 1) / a0, a2: (1 - k/highQuality + k*k) / a0}
	return [2]biquad{shelf, pass}
}
