// Package sound generates PCM of the kinds that make encoders behave differently.
package sound

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
)

// Signal is a sound by its name.
type Signal struct {
	Name  string
	start func() sampler
}

// sampler fills in the sample of each channel at t seconds, from -1 to 1. It keeps what is
// the same for many samples, so it is for one recording.
type sampler func(r *rand.Rand, t float64, out []float64)

// Signals returns all signals.
func Signals() []Signal { return slices.Clone(signals) }

var signals = []Signal{
	{"speech", speech},
	{"chords", chords},
	{"noise with pauses", pauses(0.7, 0.4)},
	{"noise with long pauses", pauses(5, 2.5)},
	{"clicks", clicks},
	{"silence", func() sampler { return func(*rand.Rand, float64, []float64) {} }},
	{"clipped", func() sampler {
		chords := chords()
		return func(r *rand.Rand, t float64, out []float64) {
			chords(r, t, out)
			for c := range out {
				out[c] = max(-1, min(1, 6*out[c]))
			}
		}
	}},
	{"fading", func() sampler {
		chords := chords()
		return func(r *rand.Rand, t float64, out []float64) {
			chords(r, t, out)
			for c := range out {
				out[c] *= math.Exp(-3 * t)
			}
		}
	}},
}

// speech imitates what matters to encoders: voiced syllables whose pitch moves, hisses and
// short pauses, nearly the same in both channels.
func speech() sampler {
	var formants [18]float64
	for i := range formants {
		k := float64(i + 1)
		low, high := (k*120-600)/500, (k*120-1700)/400
		formants[i] = math.Exp(-low*low) + 0.5*math.Exp(-high*high)
	}
	return func(r *rand.Rand, t float64, out []float64) {
		syllable := math.Mod(t, 0.31) / 0.31
		envelope := math.Pow(max(0, math.Sin(math.Pi*syllable)), 2)
		pitch := 2 * math.Pi * (120*t + 6*math.Sin(2*math.Pi*0.7*t))
		v := 0.0
		for i, formant := range formants {
			v += formant * math.Sin(float64(i+1)*pitch)
		}
		v *= 0.15 * envelope
		if syllable > 0.8 {
			v += 0.1 * r.NormFloat64()
		}
		for c := range out {
			out[c] = v + 0.0005*r.NormFloat64()
		}
	}
}

// chords are dense and differ between the channels.
func chords() sampler {
	now, tones := -1.0, [][12]float64(nil) // the chord, and its 2πf in each channel
	return func(_ *rand.Rand, t float64, out []float64) {
		if chord := math.Floor(t / 0.4); chord != now {
			now, tones = chord, make([][12]float64, len(out))
			for c := range tones {
				for k := range tones[c] {
					f := 110 * math.Pow(2, (float64(k)*5+chord*3+float64(7*c))/12)
					tones[c][k] = 2 * math.Pi * math.Mod(f, 7000)
				}
			}
		}
		for c := range out {
			v := 0.0
			for k, tone := range tones[c] {
				v += math.Sin(tone*t+float64(k*c)) / 14
			}
			out[c] = v
		}
	}
}

// pauses returns bursts of noise in digital silence: one of burst seconds every so many
// seconds.
func pauses(every, burst float64) func() sampler {
	return func() sampler {
		return func(r *rand.Rand, t float64, out []float64) {
			if math.Mod(t, every) > burst {
				return
			}
			for c := range out {
				out[c] = 0.3 * r.NormFloat64()
			}
		}
	}
}

func clicks() sampler {
	return func(r *rand.Rand, t float64, out []float64) {
		if r.IntN(3000) == 0 || t == 0 {
			for c := range out {
				out[c] = 2*r.Float64() - 1
			}
		}
	}
}

// PCM returns samples of the signal for each channel as interleaved 32-bit floats,
// little-endian. rate is in Hz. The same arguments result in the same bytes.
func (s Signal) PCM(rate, channels, samples int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(rate*channels)))
	sample, out := s.start(), make([]float64, channels)
	b := make([]byte, 0, 4*channels*samples)
	for i := range samples {
		clear(out)
		sample(r, float64(i)/float64(rate), out)
		for _, v := range out {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
		}
	}
	return b
}
