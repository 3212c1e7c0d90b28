package ffmpeg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/parallel"
	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/mp3"
	"github.com/soundextract/sx/server/sx"
)

// split encodes the recording as one MP3 for each of its parts. The recording is decoded
// once, in order, and its PCM is cut between two encodings. Where the cuts are, and how many
// parts there are, depends on the length and on jumps of the clock, which are certain only
// after the recording was decoded. So the file's own claims are used first, and if they
// were wrong, all of it is encoded again.
func (e *encoding) split(ctx context.Context, encoders *parallel.Encoders) (converter.Result, error) {
	// Where the chapters of joined files are depends on the length of each.
	if e.decoded.rate == 0 && e.plan.Expected() > 0 && e.plan.joined == nil {
		c := &clock{rate: e.plan.Rate}
		e.decoded = decoded{rate: e.plan.Rate, written: c.samples(e.plan.section.length(e.plan.Expected()))}
		list, err := e.parts(e.decoded)
		if err == nil {
			var result converter.Result
			if result, err = e.encodeParts(ctx, encoders, list); err != nil {
				return result, err
			}
			actual, err := e.parts(e.decoded)
			if err != nil {
				return converter.Result{}, err
			}
			if reflect.DeepEqual(list, actual) {
				return result, nil
			}
			e.cfg.Log.InfoContext(ctx, "encoding again, because the file's duration or clock is wrong", "expected", len(list), "parts", len(actual))
		}
		if err != nil {
			e.decoded = decoded{}
		}
	}
	if e.decoded.rate == 0 {
		if err := e.measure(ctx, pass{e.pass.from, 0.1}, io.Discard); err != nil {
			return converter.Result{}, err
		}
	}
	list, err := e.parts(e.decoded)
	if err != nil {
		return converter.Result{}, err
	}
	return e.encodeParts(ctx, encoders, list)
}

// encodeParts encodes and stores the parts.
func (e *encoding) encodeParts(ctx context.Context, encoders *parallel.Encoders, list []part) (converter.Result, error) {
	if len(list) == 1 {
		result, err := e.once(ctx, encoders)
		if e.options.SplitChapters && len(e.plan.section.audible(ordered(e.withChapters(e.decoded.placed, 0).Chapters))) == 0 {
			result.Warnings = append(result.Warnings, sx.NewWarning(sx.WarningNoChapters, "there are no chapters to split by, so there is one MP3"))
		}
		return result, err
	}
	s := &splitting{encoding: e, encoders: encoders, list: list, single: make([]bool, len(list)), samples: make([]int64, len(list))}
	for i := range s.single {
		s.single[i] = !e.settings.Parallel()
	}
	e.resetMeter()
	for next := 0; ; {
		unproven, err := s.run(ctx, next)
		if !errors.Is(err, parallel.ErrUnproven) {
			return s.result(err)
		}
		e.cfg.Log.WarnContext(ctx, "encoding a part again in a single pass", "part", unproven+1, "reason", err)
		s.single[unproven] = true
		next = unproven
		if e.leveled != nil { // the measurement has begun with what was encoded
			next = 0
			e.resetMeter()
		}
	}
}

// splitting encodes the parts of a recording.
type splitting struct {
	*encoding
	encoders *parallel.Encoders
	list     []part
	single   []bool  // encode this part with one encoder
	samples  []int64 // of each part that was encoded
}

// result returns what was encoded.
func (s *splitting) result(err error) (converter.Result, error) {
	if err != nil {
		return converter.Result{}, err
	}
	result := converter.Result{Warnings: s.warnings}
	for i, n := range s.samples {
		result.Durations = append(result.Durations, (&clock{rate: s.settings.Rate}).duration(n))
		result.Titles = append(result.Titles, s.list[i].title)
		if s.single[i] {
			reason := "settings"
			if s.settings.Parallel() {
				reason = "unproven"
			}
			s.singles.WithLabelValues(reason).Inc()
		}
	}
	return result, nil
}

// run decodes the recording, and encodes the parts from the given one on. It returns the
// part that was being encoded when an error happened. If the recording ends before the last
// part, only the samples of the parts before are set.
func (s *splitting) run(ctx context.Context, first int) (at int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	decoding := make(chan error, 1)
	go func() {
		buffered := bufio.NewWriterSize(w, 64<<10) // packets are small
		err := s.pcm(ctx, buffered)
		if err == nil {
			err = buffered.Flush()
		}
		w.CloseWithError(err)
		decoding <- err
	}()
	at, err = s.encodeFrom(ctx, first, bufio.NewReaderSize(r, 64<<10))
	if err != nil {
		cancel()
		r.CloseWithError(err)
		<-decoding //nolint:errcheck // a consequence of err
		return at, err
	}
	if err := <-decoding; err != nil {
		return at, err
	}
	// ffmpeg may have treated a read error of the source as its end.
	if err := s.in.Err(); err != nil {
		return at, err
	}
	var all int64
	for _, n := range s.samples {
		all += n
	}
	if all != s.decoded.written {
		return at, fmt.Errorf("%d samples were encoded, but %d were decoded", all, s.decoded.written)
	}
	if s.warnings, err = s.plan.checkComplete(s.decoded); err == nil && all == 0 {
		err = errors.New("the recording is empty")
	}
	return at, err
}

// encodeFrom encodes the parts from the given one on of the recording's PCM.
func (s *splitting) encodeFrom(ctx context.Context, first int, pcm *bufio.Reader) (at int, err error) {
	frame := int64(4 * s.settings.Channels)
	if _, err := io.CopyN(io.Discard, pcm, s.list[first].from*frame); err != nil && !errors.Is(err, io.EOF) {
		return first, err
	}
	for at = first; at < len(s.list); at++ {
		if _, err := pcm.Peek(1); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return at, err
		}
		if err := s.store(ctx, at, pcm, frame); err != nil {
			return at, err
		}
	}
	return at, nil
}

// store encodes a part, and stores its MP3 as it is produced.
func (s *splitting) store(ctx context.Context, i int, pcm io.Reader, frame int64) (err error) {
	ctx, span := tracing.Start(ctx, "encode")
	defer func() { tracing.End(span, err) }()
	info, err := mp3.NewInfo(s.name, s.settings.Rate, s.settings.Channels, s.settings.Bitrate)
	if err != nil {
		return fmt.Errorf("making the Info frame: %w", err)
	}
	source := s.sourceOf(s.list, i)
	size, _ := id3.Reserve(source, s.options.KeepAllTags)
	rec := parallel.Recording{
		Owner: s.owner, Samples: s.expected(i),
		PCM: func(_ context.Context, w io.Writer) error {
			if i == len(s.list)-1 {
				_, err := io.Copy(w, pcm)
				return err
			}
			_, err := io.CopyN(w, pcm, (s.list[i+1].from-s.list[i].from)*frame)
			if errors.Is(err, io.EOF) { // the recording is shorter than expected
				err = nil
			}
			return err
		},
	}
	encode := s.encoders.Encode
	if s.single[i] {
		encode = s.encoders.Single
	}
	head := func() ([]byte, error) {
		b, err := info.Bytes(s.samples[i])
		if err != nil {
			return nil, fmt.Errorf("making the Info frame: %w", err)
		}
		source.Duration = (&clock{rate: s.settings.Rate}).duration(s.samples[i])
		tag, _ := id3.Build(source, s.options.KeepAllTags)
		if tag, err = id3.Pad(tag, size); err != nil {
			return nil, err
		}
		return append(tag, b...), nil
	}
	return s.put(i+1, func() store.Head { return store.Head{Size: size + info.Size(), Bytes: head} }, func(w io.Writer) error {
		out, finish := io.MultiWriter(info, w), func(error) error { return nil }
		if s.leveled != nil {
			out, finish = s.measureOutput(ctx, out)
		}
		n, err := encode(ctx, s.settings, rec, out)
		s.samples[i] = n
		return errors.Join(err, finish(err))
	})
}

// expected returns how many samples a part probably has.
func (s *splitting) expected(i int) int64 {
	if i < len(s.list)-1 {
		return s.list[i+1].from - s.list[i].from
	}
	all := s.plan.section.length(s.plan.Expected())
	return max(0, int64(all.Seconds()*float64(s.settings.Rate))-s.list[i].from)
}
