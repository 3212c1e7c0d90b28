package filelock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/soundextract/sx/cli/internal/filelock"
)

func TestOneHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "x.lock")
	lock, err := filelock.Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Try(path); !errors.Is(err, filelock.ErrHeld) {
		t.Fatalf("second Try: %v, want ErrHeld", err)
	}
	lock.Release()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock's file was not removed: %v", err)
	}
	lock, err = filelock.Try(path)
	if err != nil {
		t.Fatalf("Try after Release: %v", err)
	}
	lock.Release()
}

func TestWait(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.lock")
	never := func() { t.Error("it waits for a lock that nobody holds") }
	first, err := filelock.Wait(t.Context(), path, never)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := filelock.Wait(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait ended with %v", err)
	}
	waits := 0
	second, err := filelock.Wait(t.Context(), path, func() {
		waits++
		first.Release()
	})
	if err != nil || waits != 1 {
		t.Fatalf("waited %d times: %v", waits, err)
	}
	second.Release()
}

func TestNeverTwoHolders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.lock")
	var holders, taken atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 500 {
				lock, err := filelock.Try(path)
				if err != nil {
					if !errors.Is(err, filelock.ErrHeld) {
						t.Error(err)
						return
					}
					continue
				}
				if holders.Add(1) != 1 {
					t.Error("two hold the lock")
				}
				taken.Add(1)
				runtime.Gosched() // lets the others try
				holders.Add(-1)
				lock.Release()
			}
		})
	}
	group.Wait()
	if taken.Load() == 0 {
		t.Error("nobody ever got the lock")
	}
}

func TestDirectoryCannotBeCreated(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Try(filepath.Join(file, "x.lock")); err == nil {
		t.Error("a lock below a file was taken")
	}
}
