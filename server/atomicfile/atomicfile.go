// Package atomicfile replaces files atomically: readers, even after a crash,
// see either the complete old file or the complete new one.
package atomicfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces path with a file that has the given content and mode. The
// content is on disk when it returns nil; after an error, path is as it was.
func Write(path string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("create a temporary file: %w", err)
	}
	if _, err := f.Write(content); err != nil {
		discard(f)
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Chmod(mode); err != nil {
		discard(f)
		return fmt.Errorf("set the mode of %s: %w", path, err)
	}
	return Commit(f, path)
}

// Commit closes f, a file on the same file system as path, and renames it to
// path. Its content is on disk when Commit returns nil; after an error, f is
// removed and path is as it was.
//
// os.Rename replaces an existing file on every system: on Windows it is
// MoveFileEx with MOVEFILE_REPLACE_EXISTING.
func Commit(f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		discard(f)
		return fmt.Errorf("sync %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		discard(f)
		return fmt.Errorf("close %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		discard(f)
		return err
	}
	return syncDir(filepath.Dir(path))
}

func discard(f *os.File) {
	_ = f.Close()
	_ = os.Remove(f.Name())
}
