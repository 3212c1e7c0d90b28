package loudness

import (
	"encoding/binary"
	"io"
	"math"
)

// Limiter amplifies PCM, and keeps its true peak below a ceiling: it lowers the gain
// smoothly before a peak and raises it again slowly afterwards. The output has as many
// samples as the input.
type Limiter struct {
	w        io.Writer
	channels int
	gain     float32
	ceiling  float32

	peak    *truePeak
	delayed []float32 // samples that are not yet written
	ahead   int       // samples by which the output is late
	hold    minimum   // of the gains that the coming samples need
	smooth  average
	slow    float32 // the gain, rising slowly
	rise    float32 // by which part of the rest it rises for each sample

	taken, written int64
	carry, out     []byte
}

const (
	lookAhead = 0.005 // seconds over which the gain falls
	release   = 0.2   // seconds in which most of a reduction is gone
)

// NewLimiter returns a limiter that writes to w. gain and ceiling are factors.
func NewLimiter(w io.Writer, rate, channels int, gain, ceiling float64) *Limiter {
	n := int(lookAhead * float64(rate))
	return &Limiter{
		w: w, channels: channels, gain: float32(gain), ceiling: float32(ceiling),
		peak: newPeaksAbove(float32(ceiling), channels), ahead: n + reach,
		hold: minimum{length: n + 2}, smooth: average{values: ones(n + 1), sum: float64(n + 1)},
		slow: 1, rise: float32(1 - math.Exp(-1/(release*float64(rate)))),
	}
}

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// Write implements io.Writer.
func (l *Limiter) Write(p []byte) (int, error) {
	eachFrame(&l.carry, l.channels, p, l.add)
	if _, err := l.w.Write(l.out); err != nil {
		return 0, err
	}
	l.out = l.out[:0]
	return len(p), nil
}

// Flush writes what is held back.
func (l *Limiter) Flush() error {
	silence := make([]float32, l.channels)
	for end := l.taken; l.written < end; {
		l.add(silence)
	}
	_, err := l.w.Write(l.out)
	l.out = l.out[:0]
	return err
}

// add takes a sample of each channel, and appends the one that is complete to out.
func (l *Limiter) add(frame []float32) {
	var loud [2]float32
	for c, v := range frame {
		loud[c] = v * l.gain
	}
	l.delayed = append(l.delayed, loud[:l.channels]...)
	l.taken++

	need := float32(1)
	if peak := l.peak.add(loud[:l.channels]); peak > l.ceiling {
		need = l.ceiling / peak
	}
	least := l.hold.add(need)
	l.slow = min(least, l.slow+(1-l.slow)*l.rise)
	gain := l.smooth.add(l.slow)
	if l.taken <= int64(l.ahead) {
		return
	}
	for _, v := range l.delayed[:l.channels] {
		l.out = binary.LittleEndian.AppendUint32(l.out, math.Float32bits(v*gain))
	}
	l.delayed = l.delayed[l.channels:]
	l.written++
}

// minimum is the smallest of the last values.
type minimum struct {
	length int
	at     int
	queue  []candidate // rising values, each the smallest from its place on
}

type candidate struct {
	at    int
	value float32
}

func (m *minimum) add(v float32) float32 {
	for len(m.queue) > 0 && m.queue[len(m.queue)-1].value >= v {
		m.queue = m.queue[:len(m.queue)-1]
	}
	m.queue = append(m.queue, candidate{m.at, v})
	if m.queue[0].at <= m.at-m.length {
		m.queue = m.queue[1:]
	}
	m.at++
	return m.queue[0].value
}

// average is the mean of the last values, recomputed once in a while, because errors of
// rounding add up.
type average struct {
	values []float32
	at     int
	sum    float64
}

func (a *average) add(v float32) float32 {
	a.sum += float64(v) - float64(a.values[a.at])
	a.values[a.at] = v
	if a.at++; a.at == len(a.values) {
		a.at, a.sum = 0, 0
		for _, v := range a.values {
			a.sum += float64(v)
		}
	}
	return float32(a.sum / float64(len(a.values)))
}
