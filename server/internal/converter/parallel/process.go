package parallel

import (
	"errors"
	"fmt"

	"github.com/soundextract/sx/server/mp3"
)

// process is an encoder that encodes one run after the other: to a new run, the PCM of
// an earlier one is only more lead-in. This saves starts of processes, each of which
// costs as much as seconds of encoding.
type process struct {
	Process
	fed   int64 // bytes
	turns []turn
	over  bool // its output has ended
}

// turn says which run gets the encoder's frames from the given one on.
type turn struct {
	from int64
	run  *run
}

// process returns an encoder that is free. The caller holds the lock.
func (s *stream) process() (*process, error) {
	for n := len(s.idle); n > 0; n-- {
		p := s.idle[n-1]
		s.idle = s.idle[:n-1]
		if !p.over {
			return p, nil
		}
	}
	return s.startProcess()
}

// startProcess starts an encoder. The caller holds the lock.
func (s *stream) startProcess() (*process, error) {
	enc, err := s.Start(s.ctx, s.settings)
	if err != nil {
		return nil, fmt.Errorf("start an encoder: %w", err)
	}
	p := &process{Process: enc}
	s.processes = append(s.processes, p)
	s.group.Go(func() { s.collect(p) })
	return p, nil
}

// collect passes the encoder's frames to the runs that they belong to, in batches as
// they arrive, because each batch wakes other goroutines.
func (s *stream) collect(p *process) {
	frames := mp3.NewReader(p.Output())
	var readErr error
	for n := int64(0); readErr == nil; {
		var batch []*mp3.Frame
		for len(batch) == 0 || frames.Ready() {
			f, err := frames.Next()
			if err != nil {
				readErr = err
				break
			}
			batch = append(batch, f)
		}
		s.mu.Lock()
		for _, f := range batch {
			s.assign(p, n, f)
			n++
		}
		s.changed.Broadcast()
		s.mu.Unlock()
	}
	p.Kill()
	exit := p.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.notify()
	p.over = true
	r := p.current()
	switch {
	case r == nil || r.closed:
	case r.inputEnded && exit == nil:
		r.ended = true
	default:
		s.lost(r, fmt.Errorf("an encoder ended early: %w", errors.Join(exit, readErr)))
	}
}

// current returns the run that the encoder works for, or the last one that it
// worked for.
func (p *process) current() *run {
	if len(p.turns) == 0 {
		return nil
	}
	return p.turns[len(p.turns)-1].run
}

// assign gives a run the encoder's n-th frame.
func (s *stream) assign(p *process, n int64, f *mp3.Frame) {
	for len(p.turns) > 1 && p.turns[1].from <= n {
		p.turns = p.turns[1:]
	}
	if len(p.turns) == 0 || n < p.turns[0].from {
		return
	}
	r := p.turns[0].run
	if r.closed || r.process != p {
		return
	}
	at := r.first + n - p.turns[0].from
	if at < r.accept {
		return
	}
	r.frames = append(r.frames, f)
	near := at >= r.start && at < r.start+s.frames(early) && f.NearReservoirLimit(0)
	r.dependent = r.dependent || s.settings.VBR() && near
}
