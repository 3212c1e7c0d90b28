package localstore

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// diskFull reports whether the error says that no more can be written.
func diskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_FILE_TOO_LARGE) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

// diskSpace returns the size of the disk of dir, and how much this user may still write to
// it.
func diskSpace(dir string) (total, free uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	if err := windows.GetDiskFreeSpaceEx(name, &free, &total, nil); err != nil {
		return 0, 0, os.NewSyscallError("GetDiskFreeSpaceEx", err)
	}
	return total, free, nil
}

// syncDir does nothing: Windows cannot sync directories, and NTFS journals them.
func syncDir(string) error { return nil }
