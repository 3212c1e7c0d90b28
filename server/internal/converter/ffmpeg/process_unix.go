//go:build unix

package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// shell sets the limits and replaces itself with the program. A limit that the
// system does not support, or that is already lower, remains as it is: in POSIX
// a shell continues after a failed ulimit, because it is not a special built-in
// (XCU 2.8.1). The arguments are: CPU time in seconds, file size in blocks of
// 512 bytes, address space in KiB, the program and its arguments.
const shell = `umask 077
ulimit -c 0
ulimit -H -t "$(($1 + 5))" 2>/dev/null
ulimit -S -t "$1" 2>/dev/null
ulimit -f "$2" 2>/dev/null
ulimit -v "$3" 2>/dev/null
ulimit -n 64 2>/dev/null
shift 3
exec "$@"`

// limited returns the command line that runs the program with the limits.
func limited(cpu time.Duration, file, memory int64, program string, args []string) (string, []string) {
	return "/bin/sh", append([]string{
		"-c", shell, "sh",
		fmt.Sprint(int64(cpu/time.Second) + 1),
		fmt.Sprint(file/512 + 1),
		fmt.Sprint(memory >> 10),
		program,
	}, args...)
}

// isolate runs the program in a new process group, which is killed as a whole.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone // Wait then returns what the program did
		}
		return err
	}
}

// hitCPULimit reports whether the program has used that much CPU time. ffmpeg catches the
// signal and exits.
func hitCPULimit(err *exec.ExitError, limit time.Duration) bool {
	return signalled(err, syscall.SIGXCPU) || err.UserTime()+err.SystemTime() >= limit.Truncate(time.Second)+time.Second
}

// wasKilled reports whether the program was killed by a signal.
func wasKilled(err *exec.ExitError) bool {
	status, ok := err.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

func signalled(err *exec.ExitError, signal syscall.Signal) bool {
	status, ok := err.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}
