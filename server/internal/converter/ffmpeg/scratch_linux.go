package ffmpeg

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newScratch returns an empty file in memory, since no directory need be writable.
func newScratch() (*scratch, error) {
	fd, err := unix.MemfdCreate("sx-encoder", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "sx-encoder") //nolint:gosec // a descriptor is not negative
	return &scratch{File: f, path: "/proc/self/fd/3", inherited: []*os.File{f}}, nil
}

func (s *scratch) remove() { s.Close() } //nolint:errcheck,gosec // it was only read
