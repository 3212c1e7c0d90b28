package localstore

import (
	"os"
	"syscall"
)

// syncData brings the file's bytes to the disk, and of its metadata only what
// reading them needs.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
