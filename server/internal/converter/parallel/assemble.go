package parallel

import (
	"errors"
	"fmt"
	"slices"

	"github.com/soundextract/sx/server/mp3"
)

// assemble lays out the frames of the first run, then of the run that agrees with it,
// and so on, until the last frame.
func (s *stream) assemble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.err != nil {
			return s.err
		}
		s.launch()
		current, border := s.runs[0], int64(toTheEnd)
		if len(s.runs) > 1 {
			border = s.runs[1].accept
		}
		switch {
		case s.at >= border:
			if err := s.cross(); err != nil {
				return err
			}
		case current.frame(s.at) != nil:
			if err := s.layOut(min(border, current.last())); err != nil {
				return err
			}
		case current.ended:
			return nil
		default:
			s.changed.Wait()
		}
	}
}

// layOut lays out the first run's frames before the position. It gives up the lock
// meanwhile.
func (s *stream) layOut(before int64) error {
	r := s.runs[0]
	frames, known := r.frames[:before-r.next], r.reservoir
	s.mu.Unlock()
	n, err := s.add(&known, frames)
	s.mu.Lock()
	r.reservoir = known
	s.recent = append(s.recent, frames[:n]...)
	s.recent = slices.Delete(s.recent, 0, max(len(s.recent)-agreeing, 0))
	s.at += int64(n)
	r.drop(s.at)
	if errors.Is(err, errDependent) {
		s.reject(s.at)
		return s.steer()
	}
	if err != nil {
		return err
	}
	s.trim()
	return nil
}

// errDependent means that a frame may depend on the reservoir, which its encoder did not
// have.
var errDependent = errors.New("a frame may depend on the bit reservoir")

// add lays out frames, and checks and extends what is known of their encoder's reservoir.
// It returns how many it has laid out.
func (s *stream) add(known *reservoir, frames []*mp3.Frame) (n int, err error) {
	for i, f := range frames {
		if !known.exact && s.settings.VBR() {
			begin, err := s.layout.Begin(f)
			if err == nil && begin != f.Begin && dependent(f, s.layout.Reservoir()) {
				return i, errDependent
			}
		}
		begin, err := s.layout.Add(f)
		switch {
		case err != nil:
			return i, fmt.Errorf("%w: %w", ErrUnproven, err)
		case begin == f.Begin:
			if known.equal++; known.equal == agreeing {
				known.exact = true
			}
		case known.exact:
			return i, fmt.Errorf("%w: the encoder's bit reservoir differs from the model's", ErrUnproven)
		default:
			known.equal = 0
		}
	}
	return len(frames), nil
}

// dependent reports whether a frame whose encoder did not have this reservoir may have
// been another one with it.
func dependent(f *mp3.Frame, reservoir int) bool {
	return f.NearReservoirLimit(min(reservoir, 8*f.Begin))
}

// cross looks for the agreement of the first two runs, frame by frame, and lets the
// second follow the first.
func (s *stream) cross() error {
	current, next := s.runs[0], s.runs[1]
	f, g := current.frame(s.at), next.frame(s.at)
	switch {
	case next.agreed >= agreeing && (!next.dependent || next.reservoir.equal >= agreeing):
		s.follow()
	case g == nil && next.complete(), f == nil && current.ended, s.at >= next.start+s.overlap(next):
		if next.agreed >= agreeing {
			s.drop(1, outcomeReservoir)
		} else {
			s.drop(1, outcomeNoAgreement)
		}
	case g != nil && f == nil && current.complete():
		current.limit, current.paused = max(current.limit, current.fed/s.frame)+step, false
		s.notify()
	case f == nil || g == nil:
		s.changed.Wait()
	default:
		return s.compare(f, g)
	}
	return nil
}

// compare compares the next frame of the first two runs, and lays it out.
func (s *stream) compare(f, g *mp3.Frame) error {
	next := s.runs[1]
	next.agreed++
	next.reservoir.equal++
	if !f.Same(g, s.settings.VBR()) {
		next.agreed, next.reservoir.equal = 0, 0
	} else if begin, err := s.layout.Begin(f); err != nil || begin != g.Begin {
		next.reservoir.equal = 0
	}
	return s.layOut(s.at + 1)
}

// overlap returns by how much the first run may go beyond the start of the next one: far
// if that waits for equal reservoirs, because loud frames, which a reservoir limits, and
// pauses, which fill it, make them equal sooner or later.
func (s *stream) overlap(next *run) int64 {
	if next.dependent {
		return s.frames(maxOverrun)
	}
	return tail + 2*step
}

// follow lets the second run take the place of the first.
func (s *stream) follow() {
	current, next := s.runs[0], s.runs[1]
	if !current.steered {
		s.rejected = 0
	}
	// In CBR, where runs agree, their reservoirs agree too.
	next.reservoir.exact = !s.settings.VBR() || next.reservoir.equal >= agreeing
	next.drop(s.at)
	current.closed = true
	s.runs = s.runs[1:]
	s.trim()
	s.notify()
	s.Metrics.chunk(outcomeProven)
}

// drop gives up a run: the encoder of the run before it goes on.
func (s *stream) drop(i int, o outcome) {
	s.reject(s.runs[i].start)
	s.runs[i].closed = true
	s.runs = slices.Delete(s.runs, i, i+1)
	s.limit(i - 1)
	s.trim()
	s.Metrics.chunk(o)
	s.notify()
}
