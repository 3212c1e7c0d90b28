//go:build unix

package localserver

import (
	"math"

	"golang.org/x/sys/unix"
)

// free returns the number of bytes that can be written to a directory's file system, 0
// if it is unknown.
func free(dir string) int64 {
	var stat unix.Statfs_t
	if unix.Statfs(dir, &stat) != nil {
		return 0
	}
	return int64(min(uint64(stat.Bavail)*uint64(stat.Bsize), math.MaxInt64)) //nolint:unconvert,gosec // the types differ between systems
}
