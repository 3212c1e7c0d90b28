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

// freeBytes returns how much this user may still write to the disk of dir.
func freeBytes(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, os.NewSyscallError("GetDiskFreeSpaceEx", err)
	}
	return free, nil
}

// syncDir does nothing: Windows cannot sync directories, and NTFS journals them.
func syncDir(string) error { return nil }
