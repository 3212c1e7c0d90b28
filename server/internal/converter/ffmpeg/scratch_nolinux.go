//go:build !linux

package ffmpeg

import (
	"fmt"
	"os"
)

// newScratch returns an empty temporary file.
func newScratch() (*scratch, error) {
	f, err := os.CreateTemp("", "sx-encoder-*.mp3")
	if err != nil {
		return nil, fmt.Errorf("creating a temporary file: %w", err)
	}
	return &scratch{File: f, path: f.Name()}, nil
}

func (s *scratch) remove() {
	s.Close()           //nolint:errcheck,gosec // it was only read
	os.Remove(s.Name()) //nolint:errcheck,gosec // the system removes it in the end
}
