package ffmpeg

import (
	"os"

	"golang.org/x/sys/unix"
)

// growPipe lets the pipe hold pipeSize bytes. The system may refuse that; the pipe then
// only is slower.
func growPipe(f *os.File) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
}

// full reports whether a pipe that holds pipeSize bytes has no space for n more.
func full(f *os.File, n int) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	full := false
	_ = conn.Control(func(fd uintptr) {
		size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0)
		if err != nil || size < pipeSize {
			return
		}
		used, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		full = err == nil && used+n > size
	})
	return full
}
