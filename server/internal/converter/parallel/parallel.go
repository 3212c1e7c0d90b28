// Package parallel encodes PCM on all cores into the MP3 that one encoder would make,
// with the same bytes.
//
// A LAME encoder carries two kinds of state from frame to frame. The state of its
// psychoacoustic model forgets: after at most 190 frames, nothing is left of what it
// was before. The bit reservoir does not forget, but what LAME does with it follows
// rules, which package mp3 implements. So several encoders take one chunk of the
// recording each, and start early, with a lead-in. Where two chunks meet, frames of
// both are compared: once 16 in a row are the same, at a place where the lead-in is at
// least 192 frames long, the later encoder is in the state of the earlier one, and its
// frames can follow. Then all frames are laid out again, with the reservoir of a single
// encoder.
//
// In VBR, LAME limits a frame that needs nearly all bits that it may have, and then the
// frame depends on the reservoir. A chunk is used up to such a frame, unless its encoder
// is known to have the right reservoir; package parallel then makes an encoder that has,
// by letting noise of the right length precede the lead-in. A chunk that begins with such
// frames is used only from where the reservoirs of both encoders are equal. If they are
// not within 5 minutes, or if two chunks never agree, the encoder before it goes on instead.
// What remains unproven after that is an error: ErrUnproven. The caller encodes with
// Single then.
package parallel

import (
	"context"
	"errors"
	"io"
)

// Settings are those of an encoder.
type Settings struct {
	Rate     int // Hz
	Channels int // 1 or 2
	Bitrate  int // kbit/s; 0 means VBR
	Quality  int // LAME's VBR scale, from 0 (best) to 9
}

// VBR reports whether the bit rate is variable.
func (s Settings) VBR() bool { return s.Bitrate == 0 }

// Parallel reports whether several encoders can make the bytes of one. In VBR, at
// quality 0 and below 32 kHz, nearly every chunk has frames that depend on the
// reservoir.
func (s Settings) Parallel() bool { return !s.VBR() || s.Quality > 0 && s.Rate >= 32000 }

// frameSamples is how many samples of each channel a frame has (ISO/IEC 11172-3,
// 13818-3: 2.4.3.4).
func (s Settings) frameSamples() int64 {
	if s.Rate >= 32000 {
		return 1152
	}
	return 576
}

// frameBytes is the size of a frame's PCM: interleaved 32-bit floats.
func (s Settings) frameBytes() int64 { return 4 * int64(s.Channels) * s.frameSamples() }

// period is after how many frames the padding of CBR frames repeats: their mean size is
// 144000 (MPEG-2: 72000) · kbit/s ÷ Hz bytes.
func (s Settings) period() int64 {
	if s.VBR() {
		return 1
	}
	a, b := 125*s.frameSamples()*int64(s.Bitrate), int64(s.Rate)
	for b != 0 {
		a, b = b, a%b
	}
	return int64(s.Rate) / a
}

// Process is a running encoder. It reads interleaved 32-bit little-endian floats and
// writes MP3 frames, each as soon as it can, without an Info frame or tags.
type Process interface {
	io.WriteCloser // its input; Close says that it has ended
	// Output is read until its end.
	Output() io.Reader
	// Wait waits until the process has exited. It is called once, after the end of
	// the output.
	Wait() error
	// Kill ends the process. It may be called at any time.
	Kill()
}

// Encoders are the encoders of a converter.
type Encoders struct {
	Pool   *Pool
	Memory *Memory
	// Start starts an encoder. It ends with the context.
	Start func(ctx context.Context, s Settings) (Process, error)
	// Version is LAME's, such as "3.100"; see mp3.NewLayout.
	Version string
	Metrics *Metrics
}

// Recording is what is encoded.
type Recording struct {
	Owner   string  // whose conversion it is; see Pool
	Samples int64   // its expected number of samples of each channel, 0 if unknown
	PCM     Decoder // decodes it
}

// Decoder writes the whole recording's PCM to w: interleaved 32-bit little-endian
// floats. It stops at an error of w, and returns that.
type Decoder func(ctx context.Context, w io.Writer) error

// ErrUnproven means that several encoders did not provably make the bytes of one.
var ErrUnproven = errors.New("cannot prove that the chunks match the output of a single encoder")
