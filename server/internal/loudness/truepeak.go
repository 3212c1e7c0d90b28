package loudness

import "math"

// The signal is computed at three places between each two samples, as in BS.1770, annex
// 2, for 44.1 and 48 kHz, but with another interpolator: a sinc with a Hann window.
const (
	oversampling = 4
	reach        = 12 // samples before and after such a place
	taps         = 2 * reach
)

// interpolator has the coefficients for the places at 1/4, 2/4 and 3/4, and bound is by how
// much such a place can exceed the samples around it.
var interpolator, bound = func() (h [oversampling - 1][taps]float32, bound float32) {
	for i := range h {
		at, sum := float64(i+1)/oversampling, float32(0)
		for j := range h[i] {
			d := float64(j-reach+1) - at // from -reach to reach
			v := math.Sin(math.Pi*d) / (math.Pi * d) * (0.5 + 0.5*math.Cos(math.Pi*d/reach))
			h[i][j] = float32(v)
			sum += float32(math.Abs(v))
		}
		bound = max(bound, sum)
	}
	return h, bound
}()

// truePeak follows the true peak. Between two samples it looks only where the samples are
// so large that the peak could matter.
type truePeak struct {
	history [][2 * taps]float32 // of each channel; each sample twice, so that the last taps are in one piece
	at      int
	since   int     // samples since the last one that was large
	large   float32 // from which size on samples matter
	most    float32 // the largest so far
	// keepMax raises large with most: smaller samples cannot change it.
	keepMax bool
}

func newTruePeak(channels int) *truePeak {
	return &truePeak{history: make([][2 * taps]float32, channels), since: taps, keepMax: true}
}

// newPeaksAbove returns a truePeak whose add returns peaks above the limit; smaller ones
// may be reported as smaller.
func newPeaksAbove(limit float32, channels int) *truePeak {
	return &truePeak{history: make([][2 * taps]float32, channels), since: taps, large: limit / bound}
}

// add takes one sample of each channel. It returns the peak between the sample that came
// reach samples before and the one after that.
func (t *truePeak) add(frame []float32) float32 {
	t.since++
	for c, v := range frame {
		h := &t.history[c]
		h[t.at], h[t.at+taps] = v, v
		if max(v, -v) > t.large {
			t.since = 0
		}
	}
	t.at = (t.at + 1) % taps
	if t.since >= taps {
		return 0
	}
	peak := float32(0)
	for c := range frame {
		// Reading copies is faster, above all under the race detector.
		window := [taps]float32(t.history[c][t.at:])
		peak = max(peak, window[reach-1], -window[reach-1], window[reach], -window[reach])
		for i := range interpolator {
			v, coefficients := float32(0), interpolator[i]
			for j, x := range window {
				v += coefficients[j] * x
			}
			peak = max(peak, v, -v)
		}
	}
	if t.most = max(t.most, peak); t.keepMax {
		t.large = t.most / bound
	}
	return peak
}
