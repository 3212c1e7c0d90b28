//go:build unix

package ffmpeg

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/soundextract/sx/server/sx"
)

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

// crash returns the name of the signal that ended a program because of an error in the
// program itself; "" if there was none.
func crash(err error) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || sx.CodeOf(err) != sx.CodeInternal {
		return ""
	}
	for _, signal := range []syscall.Signal{
		syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGABRT, syscall.SIGTRAP, syscall.SIGSYS,
	} {
		if signalled(exit, signal) {
			return signal.String()
		}
	}
	return ""
}

// wasKilled reports whether the program was killed by a signal.
func wasKilled(err *exec.ExitError) bool {
	status, ok := err.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// killedByOthers reports whether the program was killed for a reason that is neither its
// own nor ours, which is nearly always the kernel's: the container has no memory left.
func killedByOthers(err *exec.ExitError) bool { return signalled(err, syscall.SIGKILL) }

func signalled(err *exec.ExitError, signal syscall.Signal) bool {
	status, ok := err.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}
