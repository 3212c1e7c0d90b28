//go:build !linux

package localstore

import "os"

// syncData writes the file's bytes to the disk.
func syncData(f *os.File) error { return f.Sync() }
