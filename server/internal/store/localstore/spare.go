package localstore

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync"
)

const (
	// spareSize is enough for the pages that sx.db needs to remove thousands of jobs.
	spareSize = 4 << 20
	// spareFree is how much must be free before the spare file is created.
	spareFree = 4 * spareSize
)

// spare is a file that occupies space. On a full disk, it is deleted so that records can
// still be changed: to remove jobs, and to finish those that are being converted.
type spare struct {
	path string

	mu     sync.Mutex
	exists bool
}

func newSpare(dir string) *spare {
	s := &spare{path: filepath.Join(dir, "spare")}
	if info, err := os.Stat(s.path); err == nil && info.Size() == spareSize {
		s.exists = true
	}
	return s
}

// giveUp deletes the file, and reports whether there was one.
func (s *spare) giveUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	existed := s.exists
	s.exists = false
	return existed && os.Remove(s.path) == nil
}

// restore creates the file again once there is space. Without it, everything works until
// the disk is full.
func (s *spare) restore(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exists {
		return
	}
	if free, err := space(ctx, filepath.Dir(s.path)); err != nil || free.Free < spareFree {
		return
	}
	// Random bytes, because some file systems compress, or do not store zeros.
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fileMode)
	if err != nil {
		return
	}
	content := make([]byte, spareSize)
	var seed [32]byte
	_, _ = rand.Read(seed[:])                      // never fails
	_, _ = mathrand.NewChaCha8(seed).Read(content) // nor does this, and it is several times quicker
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(s.path)
		return
	}
	s.exists = true
}
