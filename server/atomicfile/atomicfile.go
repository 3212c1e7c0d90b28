// Package atomicfile replaces files atomically: readers, even after a crash,
// see either the complete old file or the complete new one. Libraries for this, such as
// google/renameio, do not support Windows.
package atomicfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Write replaces path with a file that has the given content and mode. The
// content is on disk when it returns nil; after an error, path is as it was.
func Write(path string, content []byte, mode fs.FileMode) error {
	f, err := Create(path)
	if err != nil {
		return err
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

// Create creates a temporary file that Commit puts in place of path, and Clean removes after
// a crash.
func Create(path string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), temporaryPrefix(path)+"*"+temporarySuffix)
	if err != nil {
		return nil, fmt.Errorf("create a temporary file: %w", err)
	}
	return f, nil
}

// Clean removes the temporary files of path that crashes have left.
// Nothing may be writing to path meanwhile.
func Clean(path string) error {
	dir, prefix := filepath.Dir(path), temporaryPrefix(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("find the temporary files of %s: %w", path, err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), temporarySuffix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// The names of temporary files have a random part between these.
const temporarySuffix = ".tmp"

func temporaryPrefix(path string) string { return "." + filepath.Base(path) + "." }

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
