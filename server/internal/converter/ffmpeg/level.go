package ffmpeg

import (
	"context"
	"io"
	"math"
	"strconv"

	"github.com/soundextract/sx/server/internal/loudness"
)

// level is how the loudness is changed.
type level struct {
	target  float64 // LUFS
	gain    float64 // a factor
	ceiling float64 // of the true peak before encoding, in dB below full scale
	retries int
}

const (
	// maxTruePeak is the highest true peak of an MP3 whose loudness was changed, in dB
	// below full scale (dBTP).
	maxTruePeak = -1.0
	// loudnessTolerance is by how much its loudness may differ from what was asked for,
	// in LU: half of the smallest difference that people hear.
	loudnessTolerance = 0.5
	// limiterPasses is how often the effect of the limiter is measured at most.
	limiterPasses = 3
	// levelRetries is how often the recording is encoded again at most to keep
	// these limits.
	levelRetries = 2
)

// overshoot is by how much an encoder usually raises the true peak at most, in dB: what
// it leaves out no longer cancels peaks. More than that is measured in the MP3, and
// corrected.
func overshoot(bitrate int) float64 {
	switch {
	case bitrate >= 256:
		return 0.5
	case bitrate == 0 || bitrate >= 128:
		return 1
	default:
		return 2
	}
}

func factor(decibels float64) float64 { return math.Pow(10, decibels/20) }

// level decodes the recording, and determines by how much it must be amplified. If that
// needs the limiter, which lowers the loudness too, further passes measure by how much. It
// returns nil if the loudness stays as it is.
func (e *encoding) level(ctx context.Context) (*level, error) {
	target, err := e.options.LoudnessTarget(e.plan.Channels)
	if err != nil || target == 0 {
		return nil, err
	}
	meter := loudness.NewMeter(e.plan.Rate, e.plan.Channels)
	if err := e.measure(ctx, pass{0, 0.1}, meter); err != nil {
		return nil, err
	}
	loud := meter.Integrated()
	if math.IsInf(loud, 0) {
		return nil, nil // silence has no loudness
	}
	l := &level{target: target, gain: factor(target - loud), ceiling: maxTruePeak - overshoot(e.settings.Bitrate)}
	if meter.TruePeak()*l.gain <= factor(l.ceiling) {
		return l, nil
	}
	// With more gain the limiter reduces more, so part of it is lost again.
	for range limiterPasses {
		limited := loudness.NewMeter(e.plan.Rate, e.plan.Channels)
		limiter := l.limiter(limited, e.plan)
		if err := e.measure(ctx, pass{e.pass.from, 0.1}, limiter); err != nil {
			return nil, err
		}
		if err := limiter.Flush(); err != nil {
			return nil, err
		}
		missing := target - limited.Integrated()
		l.gain *= factor(missing)
		if math.Abs(missing) < loudnessTolerance/4 {
			break
		}
	}
	return l, nil
}

// measure decodes the recording into the writer. Defects of the recording are reported
// when it is encoded.
func (e *encoding) measure(ctx context.Context, p pass, w io.Writer) (err error) {
	e.pass = p
	e.decoded, err = e.decode(ctx, e.plan, w)
	e.pass = pass{p.from + p.share, 0.95 - p.from - p.share}
	return err
}

func (l *level) limiter(w io.Writer, p plan) *loudness.Limiter {
	return loudness.NewLimiter(w, p.Rate, p.Channels, l.gain, factor(l.ceiling))
}

// measureOutput returns a writer to w that also decodes the MP3 that is written, and adds it
// to the measurement of the loudness. finish must be called after the last byte, with nil, or
// after an error, with that error.
func (e *encoding) measureOutput(ctx context.Context, w io.Writer) (both io.Writer, finish func(error) error) {
	r, frames := io.Pipe()
	done := make(chan error, 1)
	go func() {
		decoder := conversion{Transcoder: e.Transcoder}
		_, err := decoder.execute(ctx, command{
			phase: "measure the loudness", program: e.cfg.FFmpeg, stdin: r, stdout: e.meter, cpu: e.cfg.MaxCPU, maxFile: encoderFile,
			args: []string{
				"-hide_banner", "-v", "error", "-nostats", "-filter_threads", "1", "-threads", "1", "-f", "mp3", "-i", "pipe:0",
				"-c:a", "pcm_f32le", "-ar", strconv.Itoa(e.plan.Rate), "-ac", strconv.Itoa(e.plan.Channels), "-f", "f32le", "pipe:1",
			},
		})
		r.CloseWithError(err)
		done <- err
	}()
	return io.MultiWriter(w, frames), func(err error) error {
		frames.CloseWithError(err)
		return <-done
	}
}

// correct changes the level if the MP3 that it gave is not as it should be. It returns
// false if there is nothing to change.
func (l *level) correct(measured *loudness.Meter) bool {
	loud, peak := measured.Integrated(), 20*math.Log10(measured.TruePeak())
	// The limiter makes it impossible for some sounds, such as single clicks.
	quiet := l.target-loud > loudnessTolerance && peak < maxTruePeak-2*loudnessTolerance
	if l.retries == levelRetries || math.IsInf(loud, 0) || peak <= maxTruePeak && !quiet && loud-l.target <= loudnessTolerance {
		return false
	}
	l.retries++
	if over := peak - maxTruePeak; over > 0 {
		l.ceiling -= over + 0.1
	}
	if math.Abs(l.target-loud) > loudnessTolerance {
		l.gain *= factor(l.target - loud)
	}
	return true
}
