package localserver

import (
	"math"

	"golang.org/x/sys/windows"
)

// free returns the number of bytes that can be written to a directory's volume, 0 if it
// is unknown.
func free(dir string) int64 {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0
	}
	var available uint64
	if windows.GetDiskFreeSpaceEx(name, &available, nil, nil) != nil {
		return 0
	}
	return int64(min(available, math.MaxInt64)) //nolint:gosec // bounded
}
