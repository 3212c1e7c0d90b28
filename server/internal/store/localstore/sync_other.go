//go:build !linux

package localstore

import "os"

// syncData brings the file's bytes to the disk.
func syncData(f *os.File) error { return f.Sync() }
