package parallel

// Durations in seconds.
const (
	// shortest is the least distance between two runs. Less is not worth a lead-in.
	shortest = 15
	// early is for how long a run's first frames must not depend on the reservoir;
	// otherwise the run must become exact first. Making an encoder with the right
	// reservoir takes as long as encoding this much.
	early = 30
	// maxOverrun is how far a run may go into the next one until that is exact. Meanwhile the
	// next one stays ahead, so waiting costs no time if it succeeds.
	maxOverrun = 300
	// pause is how long encoding ahead pauses after the first run that was rejected.
	pause = 120
)

// launch lets free encoders encode ahead, as far as the PCM is there. The caller holds
// the lock.
func (s *stream) launch() {
	for s.err == nil && len(s.runs) < s.Pool.Size() {
		start, ok := s.ahead()
		if !ok || !s.Pool.TryAcquire(s.rec.Owner) {
			return
		}
		p, err := s.process()
		if err != nil {
			s.Pool.Release(s.rec.Owner)
			s.failLocked(err)
			return
		}
		r := &run{start: start, limit: toTheEnd}
		s.runs = append(s.runs, r)
		s.limit(len(s.runs) - 2)
		s.assignTo(r, p)
		s.group.Go(func() { s.feed(r, p, true) })
		s.notify()
	}
}

// ahead returns where the next run should start, if its PCM is there: as far ahead as
// the memory allows, because every run needs a lead-in, but at the same distance for
// each free encoder; and near the end so that all encoders finish at the same time.
func (s *stream) ahead() (start int64, ok bool) {
	last := s.runs[len(s.runs)-1]
	if last.inputEnded {
		return 0, false
	}
	from := last.fed / s.frame
	to := s.runs[0].fed/s.frame + s.window()
	decoded := s.pcm.end / s.frame
	least := max(s.frames(shortest), s.lead())
	n := int64(s.Pool.Free()) // new runs
	if s.pcm.last || s.rec.Samples > 0 {
		end := decoded
		if !s.pcm.last {
			end = max(end, s.rec.Samples/s.settings.frameSamples())
		}
		n = min(n, max((end-from)/least-1, 0))
		to = min(to, from+(end-from)*n/(n+1))
	}
	if n = min(n, (to-from)/least); n < 1 {
		return 0, false
	}
	start = max(from+(to-from)/n, s.resume)
	return start, start <= min(to, decoded)
}

// window returns how many frames a run may be ahead of the first one. An eighth of the
// memory remains, so that a run that is faster than the first need not wait for it.
func (s *stream) window() int64 {
	return (s.Memory.share()-2*blockSize)/s.frame*7/8 - s.lead()
}

// frames returns how many frames there are in that many seconds.
func (s *stream) frames(seconds int64) int64 {
	return seconds * int64(s.settings.Rate) / s.settings.frameSamples()
}

// lead returns the most frames of lead-in that a run may have, or that may be needed to
// steer an encoder.
func (s *stream) lead() int64 {
	if s.settings.VBR() {
		return leadVBR + 2*agreeing
	}
	return leadCBR + s.settings.period() - 1
}

// limit sets where a run pauses: where it overlaps the next one far enough.
func (s *stream) limit(i int) {
	r, limit := s.runs[i], int64(toTheEnd)
	if i < len(s.runs)-1 {
		limit = max(s.runs[i+1].start+tail, (r.fed+s.frame-1)/s.frame)
	}
	if limit != r.limit {
		r.limit, r.paused = limit, false
		s.notify()
	}
}

// reject pauses encoding ahead after a run that started at the frame was rejected, for
// longer after each rejection in a row.
func (s *stream) reject(start int64) {
	s.resume = start + s.frames(pause)<<min(s.rejected, 5)
	s.rejected++
}
