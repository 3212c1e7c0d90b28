// Package filelock keeps two runs of sx from doing the same work at once. A lock
// ends with the process that holds it, even if the process crashes.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/soundextract/sx/server/backoff"
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

// interval is how often Wait tries to take the lock.
const interval = 100 * time.Millisecond

// Wait takes the lock at path as soon as nobody else holds it, or ends with ctx. If it has
// to wait, it first calls waiting.
func Wait(ctx context.Context, path string, waiting func()) (*Lock, error) {
	for waited := false; ; waited = true {
		lock, err := Try(path)
		if !errors.Is(err, ErrHeld) {
			return lock, err
		}
		if !waited {
			waiting()
		}
		if err := backoff.Sleep(ctx, interval); err != nil {
			return nil, err
		}
	}
}

// Release releases the lock and removes its file.
func (l *Lock) Release() {
	// Removed while the lock is held. Windows cannot remove an open file, which then
	// stays, empty.
	_ = os.Remove(l.file.Path())
	_ = l.file.Close()
}
