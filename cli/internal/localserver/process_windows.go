package localserver

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

const program = "sxd.exe"

// asksFirst says that terminate lets the process end in order.
const asksFirst = false

// own gives the program a process group of its own, so that a Ctrl-C in the
// console reaches it through sx only; detached, it has no console at all.
func own(cmd *exec.Cmd, detached bool) {
	flags := uint32(windows.CREATE_NEW_PROCESS_GROUP)
	if detached {
		flags |= windows.DETACHED_PROCESS
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: flags, HideWindow: detached}
}

// terminate ends the process at once: Windows has no signal that asks. What is
// stored survives that, as it survives a crash.
func terminate(p *os.Process) error { return p.Kill() }

// alive reports whether the process still runs.
func alive(pid int) bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return false
	}
	defer func() { _ = windows.CloseHandle(h) }()
	event, err := windows.WaitForSingleObject(h, 0)
	return err != nil || event == uint32(windows.WAIT_TIMEOUT)
}
