package term

import "time"

// The speed is the mean of the last few seconds: long enough to be steady, short
// enough to show that the network is gone.
const (
	window   = 8 * time.Second
	sampling = 250 * time.Millisecond
)

type sample struct {
	at    time.Time
	bytes int64
}

// speed measures how fast a count of bytes grows.
type speed struct {
	samples []sample // oldest first, at least sampling apart
	last    sample
}

// reset starts again at the given count.
func (s *speed) reset(at time.Time, bytes int64) {
	s.last = sample{at, bytes}
	s.samples = append(s.samples[:0], s.last)
}

func (s *speed) add(at time.Time, bytes int64) {
	if len(s.samples) == 0 || bytes < s.last.bytes {
		s.reset(at, bytes) // bytes that were sent got lost
		return
	}
	s.last = sample{at, bytes}
	if at.Sub(s.samples[len(s.samples)-1].at) >= sampling {
		s.samples = append(s.samples, s.last)
	}
}

// perSecond returns the speed at the given time, 0 if it is not known yet.
func (s *speed) perSecond(now time.Time) float64 {
	for len(s.samples) > 2 && now.Sub(s.samples[1].at) > window {
		s.samples = s.samples[1:]
	}
	if len(s.samples) == 0 {
		return 0
	}
	first := s.samples[0]
	passed := now.Sub(first.at)
	if passed < sampling {
		return 0
	}
	return float64(s.last.bytes-first.bytes) / passed.Seconds()
}
