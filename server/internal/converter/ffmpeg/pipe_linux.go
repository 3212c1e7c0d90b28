package ffmpeg

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// blockingPipe returns a pipe that the runtime does not poll: otherwise the system would
// wake up a thread whenever a program reads or writes a few KiB, even if nobody waits.
func blockingPipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return os.NewFile(uintptr(fds[0]), "|0"), os.NewFile(uintptr(fds[1]), "|1"), nil
}

// resize lets the pipe hold that many bytes. The system may refuse that; the pipe is
// then only slower.
func resize(f *os.File, size int) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, size) })
}

// full reports whether the pipe has no space for n bytes, unless it is smaller than
// twice that.
func full(f *os.File, n int) bool {
	size := 0
	if conn, err := f.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { size, _ = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0) })
	}
	return size >= 2*n && available(f)+n > size
}

// available returns how many bytes are in a pipe, 0 if that is unknown.
func available(f *os.File) (n int) {
	if conn, err := f.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) //nolint:gosec // a descriptor
	}
	return n
}

// ended reports whether the pipe's other end is closed.
func ended(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return true
	}
	pipe := []unix.PollFd{{}}
	_ = conn.Control(func(fd uintptr) {
		pipe[0].Fd = int32(fd) //nolint:gosec // a descriptor
		_, _ = unix.Poll(pipe, 0)
	})
	return pipe[0].Revents&unix.POLLHUP != 0
}

// awaitInput waits until the pipe has bytes, its other end is closed, or f is.
func awaitInput(f *os.File) error {
	const checks = 250 // milliseconds between checks whether f is closed, which poll does not see
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("reading a pipe: %w", err)
	}
	for {
		var n int
		var pollErr error
		err := conn.Control(func(fd uintptr) {
			n, pollErr = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, checks) //nolint:gosec // a descriptor
		})
		switch {
		case err != nil:
			return fmt.Errorf("reading a pipe: %w", err)
		case pollErr != nil && !errors.Is(pollErr, unix.EINTR):
			return os.NewSyscallError("poll", pollErr)
		case n > 0:
			return nil
		}
	}
}
