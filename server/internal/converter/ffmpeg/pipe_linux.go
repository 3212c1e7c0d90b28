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
	size := 0
	if conn, err := f.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { size, _ = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0) })
	}
	return size >= pipeSize && available(f)+n > size
}

// available returns how many bytes are in a pipe, 0 if that is unknown.
func available(f *os.File) (n int) {
	if conn, err := f.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) //nolint:gosec // a descriptor
	}
	return n
}
