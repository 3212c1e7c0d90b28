//go:build unix

package term

import (
	"os"

	"golang.org/x/sys/unix"
)

// isClosed reports whether out was closed when the process started. Go's runtime then
// opens /dev/null in its place, for reading and writing (runtime/fds_unix.go); what
// redirects output there opens it only for writing.
func isClosed(out *os.File) bool {
	flags, err := unix.FcntlInt(out.Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_ACCMODE != unix.O_RDWR {
		return err != nil
	}
	is, err := out.Stat()
	if err != nil {
		return true
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(is, null)
}
