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
