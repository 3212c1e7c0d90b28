//go:build unix

package ffmpeg

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// shell sets the limits and becomes the program. A limit that the system does
// not know, or that is lower already, stays as it is: POSIX has a shell go on after
// a ulimit that fails, since it is no special built-in (XCU 2.8.1). The arguments
// are: seconds of CPU, bytes/512 of one file, KiB of address space, the program
// and its arguments.
const shell = `umask 077
ulimit -c 0
ulimit -t "$1" 2>/dev/null
ulimit -f "$2" 2>/dev/null
ulimit -v "$3" 2>/dev/null
ulimit -n 64 2>/dev/null
shift 3
exec "$@"`

// confined is the command line that runs the program under the limits.
func confined(cpu time.Duration, file, memory int64, program string, args []string) (string, []string) {
	return "/bin/sh", append([]string{
		"-c", shell, "sh",
		fmt.Sprint(int64(cpu/time.Second) + 1),
		fmt.Sprint(file/512 + 1),
		fmt.Sprint(memory >> 10),
		program,
	}, args...)
}

// isolate puts the program into a process group of its own, which dies as one.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// hitFileLimit and hitCPULimit tell whether the program died of that limit.
func hitFileLimit(err *exec.ExitError) bool { return signalled(err, syscall.SIGXFSZ) }
func hitCPULimit(err *exec.ExitError) bool  { return signalled(err, syscall.SIGXCPU) }

// died tells whether a signal ended the program.
func died(err *exec.ExitError) bool {
	status, ok := err.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

func signalled(err *exec.ExitError, signal syscall.Signal) bool {
	status, ok := err.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}
