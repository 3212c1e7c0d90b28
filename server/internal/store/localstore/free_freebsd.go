package localstore

import (
	"os"
	"syscall"
)

// diskSpace returns the size of the disk of dir, and how much this user may still write
// to it: the system's figure is negative where only root may write.
func diskSpace(dir string) (total, free uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, os.NewSyscallError("statfs", err)
	}
	return st.Blocks * st.Bsize, uint64(max(st.Bavail, 0)) * st.Bsize, nil
}
