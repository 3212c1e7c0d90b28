package parallel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/soundextract/sx/server/mp3"
)

// stream is one recording that is being encoded.
type stream struct {
	*Encoders
	settings Settings
	rec      Recording
	frame    int64 // bytes of a frame's PCM

	ctx   context.Context //nolint:containedctx // its end stops the goroutines of this stream
	stop  context.CancelFunc
	group sync.WaitGroup // the goroutines

	mu        sync.Mutex
	changed   *sync.Cond // signals frames, and every other change but PCM
	more      *sync.Cond // signals PCM, and every other change but frames
	pcm       buffer
	runs      []*run // in their order; the first one's frames are being laid out
	idle      []*process
	processes []*process
	err       error

	layout *mp3.Layout
	at     int64        // the next frame to be laid out
	recent []*mp3.Frame // the last ones that were, as many as must agree
	noise  int          // the kind that led to the reservoir before
	// resume is where encoding ahead goes on after rejected runs, of which rejected
	// counts those in a row.
	resume   int64
	rejected int
}

// Encode encodes the recording, and writes the MP3's frames to w: one with each Write,
// and no Info frame. It returns the number of samples of each channel. With
// ErrUnproven, what it has written is right but not complete.
func (e *Encoders) Encode(ctx context.Context, s Settings, rec Recording, w io.Writer) (samples int64, err error) {
	samples, err = e.encode(ctx, s, rec, w)
	if err != nil && ctx.Err() != nil {
		// The end of the context kills the encoders, and their end may be seen first.
		return 0, context.Cause(ctx)
	}
	return samples, err
}

func (e *Encoders) encode(ctx context.Context, s Settings, rec Recording, w io.Writer) (samples int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	t := &stream{
		Encoders: e, settings: s, rec: rec, frame: s.frameBytes(), ctx: ctx, stop: cancel,
		pcm: buffer{memory: e.Memory}, layout: mp3.NewLayout(w, s.VBR(), e.Version),
	}
	t.changed, t.more = sync.NewCond(&t.mu), sync.NewCond(&t.mu)
	defer context.AfterFunc(ctx, func() { t.fail(context.Cause(ctx)) })()
	e.Memory.enter()
	defer t.close()

	if err := t.begin(); err != nil {
		return 0, err
	}
	t.group.Go(func() { t.decode(ctx) })
	if err := t.assemble(); err != nil {
		return 0, err
	}
	if err := t.layout.Close(); err != nil {
		return 0, err
	}
	return t.pcm.end / (4 * int64(s.Channels)), nil
}

// begin starts the run that encodes from the beginning.
func (s *stream) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.process()
	if err != nil {
		return err
	}
	r := &run{limit: toTheEnd, reservoir: reservoir{exact: true}}
	s.runs = []*run{r}
	s.assignTo(r, p)
	s.group.Go(func() { s.feed(r, p, false) })
	return nil
}

// close ends the processes and waits for all goroutines.
func (s *stream) close() {
	s.fail(errClosed)
	s.stop()
	s.mu.Lock()
	for _, p := range s.processes {
		if !p.over {
			p.Kill()
		}
	}
	s.mu.Unlock()
	s.group.Wait()
	s.pcm.close()
	s.Memory.leave()
}

var errClosed = errors.New("the encoding has ended")

// fail ends the encoding with an error, if it has not ended before.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

func (s *stream) failLocked(err error) {
	if s.err == nil {
		s.err = err
	}
	s.notify()
}

// notify wakes up all who wait.
func (s *stream) notify() {
	s.changed.Broadcast()
	s.more.Broadcast()
}

func (s *stream) decode(ctx context.Context) {
	err := s.rec.PCM(ctx, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failLocked(err)
		return
	}
	s.pcm.last = true
	s.launch()
	s.notify()
}

// Write takes PCM from the decoder. It waits while the encoders have enough.
func (s *stream) Write(p []byte) (n int, err error) {
	for n < len(p) {
		s.mu.Lock()
		if s.err != nil {
			s.mu.Unlock()
			return n, s.err
		}
		wait, err := s.pcm.reserve()
		if wait == nil && err == nil {
			n += s.pcm.write(p[n:])
			if s.pcm.end%blockSize == 0 { // a whole block is worth waking up the others
				s.launch()
				s.more.Broadcast()
			}
		}
		s.mu.Unlock()
		if err != nil {
			return n, err
		}
		if wait != nil {
			if err := await(s.ctx, wait); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// assignTo lets the process encode the run from its start, or for another time. The
// caller holds the lock.
func (s *stream) assignTo(r *run, p *process) {
	// In CBR, the padding of frames repeats with a period, which the encoder counts
	// from its own first frame.
	from := (p.fed + s.frame - 1) / s.frame
	if r.start > 0 {
		lead := int64(leadVBR)
		if period := s.settings.period(); !s.settings.VBR() {
			lead = leadCBR
			lead += ((r.start-lead-from)%period + period) % period
		}
		r.first = r.start - lead
		r.accept = r.first + minLead
	}
	r.process, r.fed, r.frames, r.next = p, r.first*s.frame, nil, r.accept
	r.paused, r.inputEnded = false, false
	p.turns = append(p.turns, turn{from: from, run: r})
}

// feed writes PCM to the run's encoder. If held, it has an encoder of the pool.
func (s *stream) feed(r *run, p *process, held bool) {
	release := func() {
		if held {
			s.Pool.Release(s.rec.Owner)
			held = false
		}
	}
	defer release()
	zeros := make([]byte, (s.frame-p.fed%s.frame)%s.frame)
	for {
		data, last, ok := s.input(r, p, release)
		if !ok {
			return
		}
		if held && s.Pool.Waiting() > 0 {
			release()
		}
		if !held {
			if err := s.Pool.Acquire(s.ctx, s.rec.Owner); err != nil {
				return
			}
			held = true
		}
		if len(zeros) > 0 { // the run before ended inside a frame
			if !s.send(p, zeros) {
				return
			}
			zeros = nil
		}
		if last {
			// If it fails, the encoder is gone, which collect notices.
			_ = p.Close()
			s.finish(r)
			return
		}
		if !s.send(p, data) {
			return
		}
		s.mu.Lock()
		r.fed += int64(len(data))
		s.trim()
		s.mu.Unlock()
	}
}

// send writes to the encoder. It returns false if the encoder is gone, which collect
// notices too.
func (s *stream) send(p *process, data []byte) bool {
	n, err := p.Write(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.fed += int64(n)
	return err == nil
}

// input waits for the run's next PCM. last is true at its end, ok false if the run
// needs no more. Before it waits, it calls idle.
func (s *stream) input(r *run, p *process, idle func()) (data []byte, last, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.err != nil || r.process != p:
			return nil, false, false
		case r.closed:
			s.idle = append(s.idle, p)
			return nil, false, false
		}
		limit := s.pcm.end
		if r.limit != toTheEnd {
			limit = min(limit, r.limit*s.frame)
		}
		switch data := s.pcm.read(r.fed, limit); {
		case data != nil:
			return data, false, true
		case r.limit != toTheEnd && r.fed >= r.limit*s.frame: // more, if the limit is newer
			if !r.paused {
				r.paused = true
				s.changed.Broadcast()
			}
		case s.pcm.last && r.fed == s.pcm.end:
			r.inputEnded = true
			return nil, true, true
		}
		idle()
		s.launch()
		s.more.Wait()
	}
}

// finish waits until the encoder has written its last frame: it works until then.
func (s *stream) finish(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !r.ended && !r.closed && s.err == nil {
		s.changed.Wait()
	}
}

// lost starts a run again whose encoder has died, unless the run before it goes on. The
// caller holds the lock.
func (s *stream) lost(r *run, cause error) {
	r.attempts++
	i := slices.Index(s.runs, r)
	switch {
	case i <= 0 || r.attempts > maxAttempts:
		s.failLocked(fmt.Errorf("%w: %w", ErrUnproven, cause))
		return
	case !s.pcm.has((r.start - s.lead()) * s.frame):
		s.drop(i, outcomeNoAgreement)
		return
	}
	p, err := s.process()
	if err != nil {
		s.failLocked(err)
		return
	}
	s.assignTo(r, p)
	s.group.Go(func() { s.feed(r, p, false) })
}

// maxAttempts is how often an encoder may die in a chunk.
const maxAttempts = 3

// trim releases the memory of PCM that is no longer needed: what the first run has
// got, except what may be needed again: to make an encoder that takes over, or to
// start the other runs again. The caller holds the lock.
func (s *stream) trim() {
	low := s.runs[0].fed
	if !s.runs[0].reservoir.exact {
		low = min(low, max(s.at-leadSteered, 0)*s.frame)
	}
	for _, r := range s.runs[1:] {
		low = min(low, (max(r.start, s.at)-s.lead())*s.frame)
	}
	s.pcm.trim(low)
}
