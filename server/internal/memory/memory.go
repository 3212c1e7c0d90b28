// Package memory finds how much memory this process may use, so that other limits can be
// derived from it.
package memory

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// Limit returns the memory limit of the process's cgroup on Linux, which is that of its
// container, in bytes; 0 means that it has none.
func Limit() int64 { return LimitIn(os.DirFS("/")) }

// LimitIn is Limit with another root directory: the least limit of the cgroup and those
// above it, as far as this process can see them (cgroups(7), version 1 or 2).
func LimitIn(root fs.FS) int64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy, controllers, path
		if len(fields) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		switch fields[1] {
		case "":
		case "memory":
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container, the path may be that on the host, and the mount the container's.
		for dir := path.Join("/", fields[2]); ; dir = path.Dir(dir) {
			if n := read(root, path.Join(mount, dir, file)); n > 0 {
				least = min(least, n)
			}
			if dir == "/" {
				break
			}
		}
	}
	// Version 1 writes a number close to the largest one for no limit.
	const none = 1 << 60
	if least >= none {
		return 0
	}
	return least
}

// read returns 0 if the file has no number, as with "max".
func read(root fs.FS, name string) int64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// SetForGo makes Go's garbage collector keep the memory of this process below a number of
// bytes, as far as it can, unless the variable GOMEMLIMIT is set. It does nothing for 0.
func SetForGo(limit int64) {
	if limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}
