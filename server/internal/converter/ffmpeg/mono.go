package ffmpeg

import (
	"encoding/binary"
	"io"
	"math"
	"slices"
)

// The parameters of the mix to mono. docs/design.md explains them.
const (
	monoBlocks   = 10   // blocks in a second
	monoReach    = 20   // blocks before and after a block that decide about inversion
	monoNear     = 2    // the same for the balance
	monoCertain  = 0.9  // correlation near a block that decides at once
	monoBalanced = 12.0 // dB between the channels up to which both count equally
	monoOneSided = 30.0 // dB from which the quieter channel is left out
	monoInverts  = -0.5 // correlation below which one channel is inverted
	monoReverts  = -0.2 // correlation above which it no longer is
	monoSilence  = 1e-9 // mean square below which a block does not count (−90 dB)
)

// monoMixer mixes interleaved stereo (f32le) to mono and writes it to w.
//
// The plain average of a source on one side is half as loud as the source, and that of
// channels that are inverted copies of each other is silence. So the weights follow the
// signal: |a| + |b| = 1, which cannot clip; both are 1/2 for ordinary stereo, the louder
// channel gets more from 12 dB on, and the second is inverted where the channels are
// opposed. They depend on what is up to two seconds away, not on how the input is split.
type monoMixer struct {
	w    io.Writer
	rate int

	block   []byte      // the incomplete block
	blocks  []monoBlock // those that are not yet written, and monoReach before them
	done    int         // how many of blocks are written
	started bool
	theta   float64 // of the weights, see weights
	inverts bool
	out     []byte

	heard, inverted int // blocks that are not silent
}

// monoBlock is a tenth of a second with its sums of products.
type monoBlock struct {
	data       []byte
	ll, rr, lr float64
}

// Write implements io.Writer.
func (m *monoMixer) Write(p []byte) (int, error) {
	size := m.rate / monoBlocks * 8
	for rest := p; len(rest) > 0; {
		n := min(len(rest), size-len(m.block))
		m.block = append(m.block, rest[:n]...)
		rest = rest[n:]
		if len(m.block) == size {
			if err := m.add(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// flush writes what is left.
func (m *monoMixer) flush() error {
	if err := m.add(); err != nil {
		return err
	}
	for m.done < len(m.blocks) {
		if err := m.emit(); err != nil {
			return err
		}
	}
	return nil
}

// add completes the current block, and writes the one for which no more are needed.
func (m *monoMixer) add() error {
	b := monoBlock{data: m.block}
	var ll, rr, lr float64
	for p := b.data; len(p) >= 8; p = p[8:] {
		left, right := frameAt(p)
		l, r := float64(left), float64(right)
		ll += l * l
		rr += r * r
		lr += l * r
	}
	b.ll, b.rr, b.lr = ll, rr, lr
	m.blocks = append(m.blocks, b)
	m.block = nil
	if m.done+monoReach < len(m.blocks) {
		return m.emit()
	}
	return nil
}

// emit writes the first block that is not yet written.
func (m *monoMixer) emit() error {
	b := &m.blocks[m.done]
	m.mix(b.data, m.target())
	_, err := m.w.Write(m.out)
	m.block, b.data = b.data[:0], nil
	if m.done++; m.done > monoReach {
		m.blocks = append(m.blocks[:0], m.blocks[1:]...)
		m.done--
	}
	return err
}

// target returns theta for the first block that is not yet written, in one of its
// equivalent forms.
func (m *monoMixer) target() float64 {
	near, far := m.around(monoNear), m.around(monoReach)
	n := float64(2*monoNear+1) * float64(m.rate/monoBlocks)
	if sum := near.ll + near.rr; sum <= n*monoSilence || math.IsNaN(sum) || math.IsInf(sum, 0) {
		return m.theta
	}
	m.heard++
	balance := 10 * math.Log10((near.rr+1e-30)/(near.ll+1e-30)) // dB
	lean := min(max((math.Abs(balance)-monoBalanced)/(monoOneSided-monoBalanced), 0), 1)
	theta := 0.5 + math.Copysign(0.5*lean, balance)
	switch now, long := near.correlation(), far.correlation(); {
	case now < -monoCertain:
		m.inverts = true
	case now > monoCertain, long > monoReverts:
		m.inverts = false
	case long < monoInverts:
		m.inverts = true
	}
	if m.inverts {
		if lean < 1 {
			m.inverted++
		}
		return -theta
	}
	return theta
}

// around returns the sums over up to reach blocks before and after the first block that
// is not yet written.
func (m *monoMixer) around(reach int) (sum monoBlock) {
	for _, b := range m.blocks[max(0, m.done-reach):min(len(m.blocks), m.done+reach+1)] {
		sum.ll += b.ll
		sum.rr += b.rr
		sum.lr += b.lr
	}
	return sum
}

// correlation returns the correlation of the channels, from -1 to 1.
func (b monoBlock) correlation() float64 { return b.lr / math.Sqrt(b.ll*b.rr+1e-30) }

// mix converts a block, moving theta to its target by at most 1 in a tenth of a second.
func (m *monoMixer) mix(data []byte, target float64) {
	if !m.started {
		m.started, m.theta = true, target
	}
	// The opposite weights sound the same, so the distance is at most 1.
	target += 2 * math.Round((m.theta-target)/2)
	step := float64(monoBlocks) / float64(m.rate)
	theta := m.theta
	a, b := weights(theta)
	size := len(data) / 8 * 4
	m.out = slices.Grow(m.out[:0], size)[:size]
	for out := m.out; len(out) >= 4 && len(data) >= 8; out, data = out[4:], data[8:] {
		if theta != target {
			theta += min(max(target-theta, -step), step)
			a, b = weights(theta)
		}
		l, r := frameAt(data)
		binary.LittleEndian.PutUint32(out, math.Float32bits(a*l+b*r))
	}
	m.theta = math.Mod(theta, 4)
}

// weights returns the weights of left and right for a place on the square |a| + |b| = 1:
// 0 is left only, 1/2 the average, 1 right only, -1/2 the average with right inverted.
// The perimeter is 4; half of it further is the same sound inverted.
func weights(theta float64) (a, b float32) {
	if theta = math.Mod(theta, 4); theta < 0 {
		theta += 4
	}
	// A triangle wave for right, and the same a quarter earlier for left.
	triangle := func(t float64) float64 {
		switch t = math.Mod(t, 4); {
		case t <= 1:
			return t
		case t <= 3:
			return 2 - t
		default:
			return t - 4
		}
	}
	return float32(triangle(theta + 1)), float32(triangle(theta))
}

// frameAt returns the samples of a frame.
func frameAt(b []byte) (left, right float32) {
	both := binary.LittleEndian.Uint64(b)
	return math.Float32frombits(uint32(both)), math.Float32frombits(uint32(both >> 32))
}
