package gateway

import "context"

// NewSweep returns a round of the sweep for tests: two passes of Run are ten minutes
// apart. The sweep remembers at most so many suspects of a pass.
func NewSweep(s *Service, most int) func(ctx context.Context, cursor string) (next string, err error) {
	return newSweeper(s, most).round
}
