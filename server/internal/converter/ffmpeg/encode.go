package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/parallel"
	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/loudness"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/mp3"
	"github.com/soundextract/sx/server/sx"
)

// settings returns the encoder's settings.
func settings(o sx.Options, rate, channels int) parallel.Settings {
	s := parallel.Settings{Rate: rate, Channels: channels, Bitrate: o.Bitrate, Quality: 2}
	if o.Quality != nil {
		s.Quality = *o.Quality
	}
	if s.Bitrate == 0 && o.Quality == nil {
		s.Bitrate = map[sx.Preset]int{sx.PresetSpeech: 64, sx.PresetSmall: 128, sx.PresetHigh: maxBitrate}[o.Preset]
	}
	s.Bitrate = capBitrate(s.Bitrate, rate)
	return s
}

// encoding encodes one recording, and stores the MP3 as it is produced.
type encoding struct {
	*conversion
	plan     plan
	settings parallel.Settings
	source   id3.Source
	size     int    // of the tag in bytes
	name     string // of the encoder

	leveled *level          // nil if the loudness stays as it is
	meter   *loudness.Meter // of the decoded MP3

	info     *mp3.Info
	decoded  decoded
	samples  int64
	warnings []sx.Warning
}

// encode converts the chosen audio: with several encoders, or with one if they cannot
// make the same bytes.
func (c *conversion) encode(ctx context.Context, p plan) (converter.Result, error) {
	made, err := c.identity(ctx)
	if err != nil {
		return converter.Result{}, err
	}
	encoders := &parallel.Encoders{
		Pool: c.pool, Memory: c.memory, Start: c.startEncoder, Version: made.version, Metrics: c.chunks,
	}
	source, warnings, err := c.metadata(ctx, p)
	if err != nil {
		return converter.Result{}, err
	}
	e := &encoding{conversion: c, plan: p, settings: settings(c.options, p.Rate, p.Channels), source: source, name: made.encoder}
	size, more := id3.Reserve(e.withChapters(placed{}, 0), c.options.KeepAllTags)
	e.size = size
	if e.leveled, err = e.level(ctx); err != nil {
		return converter.Result{}, err
	}

	encode := e.once
	if c.options.Split() {
		encode = e.split
	}
	for {
		result, err := encode(ctx, encoders)
		result.Warnings = append(result.Warnings, append(warnings, more...)...)
		if err != nil || e.leveled == nil || !e.leveled.correct(e.meter) {
			return result, err
		}
		e.pass = e.pass.rest()
	}
}

// resetMeter begins the measurement of the MP3s, if the loudness is changed.
func (e *encoding) resetMeter() {
	if e.leveled != nil {
		e.meter = loudness.NewMeter(e.settings.Rate, e.settings.Channels)
	}
}

// once encodes and stores the MP3.
func (e *encoding) once(ctx context.Context, encoders *parallel.Encoders) (converter.Result, error) {
	reason := "settings"
	if e.settings.Parallel() {
		err := e.store(ctx, encoders.Encode)
		if !errors.Is(err, parallel.ErrUnproven) {
			return e.result(err)
		}
		e.cfg.Log.WarnContext(ctx, "encoding again in a single pass", "reason", err)
		reason = "unproven"
	}
	e.singles.WithLabelValues(reason).Inc()
	return e.result(e.store(ctx, encoders.Single))
}

func (e *encoding) result(err error) (converter.Result, error) {
	if err != nil {
		return converter.Result{}, err
	}
	duration := time.Duration(float64(e.samples) / float64(e.settings.Rate) * float64(time.Second))
	return converter.Result{Durations: []time.Duration{duration}, Warnings: e.warnings}, nil
}

// withChapters returns what the MP3's tag is made of.
func (e *encoding) withChapters(d placed, duration time.Duration) id3.Source {
	source := e.source
	source.Chapters = append(source.Chapters, e.plan.chapters(d)...)
	source.Duration = duration
	return source
}

// tag returns the MP3's tag.
func (e *encoding) tag(d placed, duration time.Duration) ([]byte, []sx.Warning) {
	source := e.withChapters(d, duration)
	source.Chapters = e.plan.section.chapters(source.Chapters)
	return id3.Build(source, e.options.KeepAllTags)
}

// encodeFunc is parallel.Encoders.Encode or Single.
type encodeFunc func(ctx context.Context, s parallel.Settings, rec parallel.Recording, w io.Writer) (samples int64, err error)

// store encodes, and stores the MP3 as it is produced.
func (e *encoding) store(ctx context.Context, encode encodeFunc) (err error) {
	ctx, span := tracing.Start(ctx, "encode")
	defer func() { tracing.End(span, err) }()
	if e.info, err = mp3.NewInfo(e.name, e.settings.Rate, e.settings.Channels, e.settings.Bitrate); err != nil {
		return fmt.Errorf("making the Info frame: %w", err)
	}
	head := store.Head{Size: e.size + e.info.Size(), Bytes: e.head}
	e.resetMeter()
	return e.put(1, func() store.Head { return head }, func(w io.Writer) error {
		return e.run(ctx, encode, io.MultiWriter(e.info, w))
	})
}

// head returns the beginning of the MP3: the tag and the Info frame.
func (e *encoding) head() ([]byte, error) {
	info, err := e.info.Bytes(e.samples)
	if err != nil {
		return nil, fmt.Errorf("making the Info frame: %w", err)
	}
	return e.withTag(info)
}

// withTag puts the tag before the Info frame.
func (e *encoding) withTag(info []byte) ([]byte, error) {
	tag, _ := e.tag(e.decoded.placed, e.decoded.length())
	tag, err := id3.Pad(tag, e.size)
	if err != nil {
		return nil, err
	}
	return append(tag, info...), nil
}

// run encodes what the decoder delivers, and checks that nothing was left out.
func (e *encoding) run(ctx context.Context, encode encodeFunc, w io.Writer) (err error) {
	recording := parallel.Recording{
		Owner: e.owner, Samples: int64(e.plan.section.length(e.plan.Expected()).Seconds() * float64(e.settings.Rate)),
		PCM: e.pcm,
	}
	finish := func(error) error { return nil }
	if e.leveled != nil {
		w, finish = e.measureOutput(ctx, w)
	}
	e.samples, err = encode(ctx, e.settings, recording, w)
	if err := errors.Join(err, finish(err)); err != nil {
		return err
	}
	// ffmpeg may have treated a read error of the source as its end.
	if err := e.in.Err(); err != nil {
		return err
	}
	if e.samples != e.decoded.written {
		return fmt.Errorf("%d samples were encoded, but %d were decoded", e.samples, e.decoded.written)
	}
	e.warnings, err = e.plan.checkComplete(e.decoded)
	return err
}

// pcm decodes the PCM that is encoded.
func (e *encoding) pcm(ctx context.Context, w io.Writer) (err error) {
	if e.leveled == nil {
		e.decoded, err = e.decode(ctx, e.plan, w)
		return err
	}
	limiter := e.leveled.limiter(w, e.plan)
	if e.decoded, err = e.decode(ctx, e.plan, limiter); err != nil {
		return err
	}
	return limiter.Flush()
}
