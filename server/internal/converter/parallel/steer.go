package parallel

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"github.com/soundextract/sx/server/mp3"
)

const (
	// noiseFrames is how long noise precedes a lead-in at least: the state of the
	// psychoacoustic model then depends on nothing before it.
	noiseFrames = 300
	// maxMore is how many frames longer it may be.
	maxMore = 200
	// leadSteered is the lead-in, after which agreeing frames are compared.
	leadSteered = minLead + agreeing
	// noises is how many kinds of noise are tried.
	noises = 8
)

// steer lets an encoder take over whose reservoir is that of a single encoder at the
// next frame to be laid out. All frames of a periodic noise have the same size, so the
// reservoir after it follows from its length, and does not change what comes after it
// otherwise. A first encoder shows which frames the noise and the lead-in have; the
// layout then tells for which length of the noise the reservoirs agree; and a second
// encoder gets that. The caller holds the lock.
func (s *stream) steer() error {
	for range noises {
		noise := s.noise
		frames, err := s.try(noise)
		if err != nil {
			return err
		}
		if more, ok := s.match(frames); ok {
			if ok, err := s.takeOver(noise, more); ok || err != nil {
				return err
			}
		}
		s.noise = (s.noise + 1) % noises
	}
	return fmt.Errorf("%w: no noise yields the required bit reservoir", ErrUnproven)
}

// try returns the frames of noise and the lead-in, from a new encoder.
func (s *stream) try(noise int) ([]*mp3.Frame, error) {
	end := (s.at + lag) * s.frame
	for s.pcm.end < end && !s.pcm.last {
		if s.err != nil {
			return nil, s.err
		}
		s.more.Wait()
	}
	pcm := repeated(noise, s.settings, noiseFrames)
	for at := (s.at - leadSteered) * s.frame; ; {
		data := s.pcm.read(at, end)
		if data == nil {
			break
		}
		pcm = append(pcm, data...)
		at += int64(len(data))
	}
	r, p, err := s.newRun(&run{limit: toTheEnd, inputEnded: true})
	if err != nil {
		return nil, err
	}
	s.mu.Unlock()
	err = s.encode(p, pcm, true)
	s.mu.Lock()
	for err == nil && !r.ended && s.err == nil {
		s.changed.Wait()
	}
	r.closed = true
	switch {
	case s.err != nil:
		return nil, s.err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnproven, err)
	case len(r.frames) < noiseFrames+leadSteered:
		return nil, fmt.Errorf("%w: an encoder has made too few frames", ErrUnproven)
	}
	return r.frames[:noiseFrames+leadSteered], nil
}

// newRun starts a new encoder for the run.
func (s *stream) newRun(r *run) (*run, *process, error) {
	p, err := s.startProcess() // the reservoir of a used encoder is not known
	if err != nil {
		return nil, nil, err
	}
	r.process = p
	p.turns = append(p.turns, turn{run: r})
	return r, p, nil
}

// encode lets the process encode PCM while the pool grants it an encoder.
func (s *stream) encode(p *process, pcm []byte, last bool) error {
	if err := s.Pool.Acquire(s.ctx, s.rec.Owner); err != nil {
		return err
	}
	defer s.Pool.Release(s.rec.Owner)
	if _, err := p.Write(pcm); err != nil {
		return err
	}
	if last {
		return p.Close()
	}
	return nil
}

// match returns by how many frames the noise has to be longer.
func (s *stream) match(frames []*mp3.Frame) (more int, ok bool) {
	layout := mp3.NewLayout(io.Discard, true, s.Version)
	for _, f := range frames[:noiseFrames] {
		if begin, err := layout.Add(f); err != nil || begin != f.Begin {
			return 0, false
		}
	}
	// Lead-in and noise overlap in the encoder's filters, so the last frames of the
	// noise are not like those before.
	period := frames[noiseFrames-agreeing]
	lead := frames[noiseFrames:]
	for ; more <= maxMore; more++ {
		l := layout.Clone(io.Discard)
		fits := true
		for _, f := range lead {
			if _, err := l.Add(f); err != nil {
				fits = false
				break
			}
		}
		if fits && l.Reservoir() == s.layout.Reservoir() {
			return more, true
		}
		if _, err := layout.Add(period); err != nil {
			return 0, false
		}
	}
	return 0, false
}

// takeOver lets a new encoder, after noise of that length, take the place of the first
// run. It returns false if the encoder turns out to have another reservoir, because
// frames of the lead-in depended on it.
func (s *stream) takeOver(noise, more int) (ok bool, err error) {
	r, p, err := s.newRun(&run{
		first: s.at - leadSteered, accept: s.at - agreeing, next: s.at - agreeing, start: s.at,
		fed: (s.at - leadSteered) * s.frame, limit: s.at + lag + agreeing, reservoir: reservoir{exact: true}, steered: true,
	})
	if err != nil {
		return false, err
	}
	p.turns[0].from = int64(noiseFrames + more)
	s.mu.Unlock()
	pcm := repeated(noise, s.settings, noiseFrames+more)
	err = s.encode(p, pcm, false)
	s.mu.Lock()
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnproven, err)
	}
	p.fed = int64(len(pcm))
	s.group.Go(func() { s.feed(r, p, false) })
	for r.frame(s.at) == nil && !r.complete() && s.err == nil {
		s.changed.Wait()
	}
	if s.err != nil {
		return false, s.err
	}
	ok = s.agrees(r)
	if !ok {
		r.closed = true
		s.notify()
		return false, nil
	}
	r.drop(s.at)
	s.runs[0].closed = true
	s.runs[0] = r
	s.limit(0)
	s.trim()
	s.Metrics.chunk(outcomeSteered)
	return true, nil
}

// agrees reports whether the run has the frames that were laid out last, and the
// reservoir for the next one.
func (s *stream) agrees(r *run) bool {
	for i, f := range s.recent {
		g := r.frame(s.at - int64(len(s.recent)-i))
		if g == nil || !f.Same(g, true) {
			return false
		}
	}
	f := r.frame(s.at)
	if f == nil {
		return false
	}
	begin, err := s.layout.Begin(f)
	return err == nil && begin == f.Begin
}

// repeated returns that many frames of noise, all with the same samples.
func repeated(kind int, settings Settings, frames int) []byte {
	r := rand.New(rand.NewPCG(uint64(kind), 0))
	var one []byte
	for range int(settings.frameSamples()) * settings.Channels {
		v := (r.Float64() - 0.5) * 0.1
		one = binary.LittleEndian.AppendUint32(one, math.Float32bits(float32(v)))
	}
	all := make([]byte, 0, frames*len(one))
	for range frames {
		all = append(all, one...)
	}
	return all
}
