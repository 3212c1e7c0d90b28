package localstore

import (
	"os"
	"syscall"
)

// syncData writes the file's bytes to the disk, with only the metadata needed
// to read them.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
