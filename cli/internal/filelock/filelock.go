// Package filelock keeps two runs of sx from doing the same work at once. A
// lock ends with the process that holds it, however that ends.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// ErrHeld says that another process, or another part of this one, has the lock.
var ErrHeld = errors.New("the lock is held elsewhere")

// Lock is a lock that is held.
type Lock struct{ file *flock.Flock }

// Try takes the lock at path without waiting; directories that are missing are made,
// for the account's owner only. It returns ErrHeld when someone else has it.
func Try(path string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make directory for lock: %w", err)
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
		// The holder before us may have removed the file between our opening
		// and locking it: then our lock is on a file that nobody else sees.
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

// Release ends the lock and leaves no file behind.
func (l *Lock) Release() {
	// Removed while it is still held; where an open file cannot be removed
	// (Windows) it stays, empty.
	_ = os.Remove(l.file.Path())
	_ = l.file.Close()
}
