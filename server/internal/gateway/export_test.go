package gateway

import "context"

// NewSweep returns a round of the sweep for tests: two passes of Run are ten minutes
// apart.
func NewSweep(s *Service) func(ctx context.Context, cursor string) (next string, err error) {
	return s.newSweep().Round
}
