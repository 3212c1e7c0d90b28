//go:build unix

package localstore

import (
	"errors"
	"os"
	"syscall"
)

// diskFull reports whether the error says that no more can be written: the disk
// is full, the user's quota is exhausted, or the file has its maximum size.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// syncDir makes created and renamed files of the directory survive a power loss.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
