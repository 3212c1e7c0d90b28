// Package filelock keeps two runs of sx from doing the same work at once. A lock
// ends with the process that holds it, even if the process crashes.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// ErrHeld says that another process, or another goroutine of this one, holds the lock.
var ErrHeld = errors.New("the lock is held elsewhere")

// Lock is a lock that is held.
type Lock struct{ file *flock.Flock }

// Try takes the lock at path without waiting, or returns ErrHeld. It creates missing
// directories with mode 0700.
func Try(path string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("create the lock's directory: %w", err)
	}
	for {
		file := flock.New(path, flock.SetPermissions(0o600))
		ok, err := file.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !ok {
			return nil, ErrHeld
		}
		// The previous holder may have removed the file after we opened and before
		// we locked it: then we hold a lock that nobody else sees.
		mine, err := file.Stat()
		if err != nil {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if now, err := os.Stat(path); err == nil && os.SameFile(mine, now) {
			return &Lock{file: file}, nil
		}
		_ = file.Close()
	}
}

// Release releases the lock and removes its file.
func (l *Lock) Release() {
	// Removed while the lock is held. Windows cannot remove an open file, which then
	// stays, empty.
	_ = os.Remove(l.file.Path())
	_ = l.file.Close()
}
