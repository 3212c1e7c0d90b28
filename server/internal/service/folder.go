package service

import (
	"os"
	"path/filepath"
	"syscall"
)

// Own makes the folder of the setting if it is not there, and holds it for this
// process alone until its end.
func (p *Program) Own(setting, path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return Invalid(setting, "%v", err).WithCause(err)
	}
	probe, err := os.CreateTemp(path, ".probe-*")
	if err != nil {
		return Invalid(setting, "%v", err).WithCause(err)
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	// The lock lasts as long as the file is open. The folder itself is locked,
	// so that nothing is left in it.
	folder, err := os.Open(filepath.Clean(path))
	if err != nil {
		return Invalid(setting, "%v", err).WithCause(err)
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = folder.Close()
		return Invalid(setting, "another process uses the folder %s", path).WithCause(err)
	}
	p.owned = folder
	return nil
}
