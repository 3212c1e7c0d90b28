package service

import (
	"os"
	"path/filepath"
	"syscall"
)

// LockDirectory creates the directory of the setting if it does not exist, checks that
// it is writable, and locks it for this process until the process ends.
func (p *Program) LockDirectory(setting, path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return Invalid(setting, "%v", err).WithCause(err)
	}
	probe, err := os.CreateTemp(path, ".probe-*")
	if err != nil {
		return Invalid(setting, "%v", err).WithCause(err)
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	// The directory itself is locked, so no lock file remains in it. The lock is held
	// while the directory is open.
	dir, err := os.Open(filepath.Clean(path))
	if err != nil {
		return Invalid(setting, "%v", err).WithCause(err)
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = dir.Close()
		return Invalid(setting, "another process is using the directory %s", path).WithCause(err)
	}
	p.locked = append(p.locked, dir)
	return nil
}
