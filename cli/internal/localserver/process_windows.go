package localserver

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

const program = "sxd.exe"

// asksFirst says whether terminate lets the process shut down gracefully.
const asksFirst = false

// own starts the program in its own process group, so that Ctrl-C in the console
// reaches only sx; if detached, it has no console.
func own(cmd *exec.Cmd, detached bool) {
	flags := uint32(windows.CREATE_NEW_PROCESS_GROUP)
	if detached {
		flags |= windows.DETACHED_PROCESS
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: flags, HideWindow: detached}
}

// terminate kills the process, because Windows has no SIGTERM. Stored data survives
// this as it survives a crash.
func terminate(p *os.Process) error { return p.Kill() }

// alive reports whether the process is running.
func alive(pid int) bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return false
	}
	defer func() { _ = windows.CloseHandle(h) }()
	event, err := windows.WaitForSingleObject(h, 0)
	return err != nil || event == uint32(windows.WAIT_TIMEOUT)
}

// private is true: Windows has no permission bits, and only the user can read the
// directory.
func private(fs.FileInfo) bool { return true }

// Exec fails: there are no services of sx on Windows.
func Exec(string, string) error { return errors.ErrUnsupported }
