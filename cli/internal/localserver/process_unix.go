//go:build unix

package localserver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

const program = "sxd"

// asksFirst says whether terminate lets the process shut down gracefully.
const asksFirst = true

// own starts the program in its own process group, so that Ctrl-C at the terminal
// reaches only sx; if detached, in its own session, so that it outlives the terminal.
func own(cmd *exec.Cmd, detached bool) {
	if detached {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// alive reports whether the process is running. A zombie is not.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	// Linux only: "pid (name) state …"; elsewhere there is no such file.
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return !bytes.HasPrefix(state, []byte("Z"))
}

// private reports whether only this user has access to the file.
func private(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid() && info.Mode().Perm()&0o077 == 0
}

// Exec replaces this process by the server of a data directory, which writes to the
// directory's log. It returns only if that fails.
func Exec(dir, addr string) error {
	program, err := Find()
	if err != nil {
		return err
	}
	if err := createDir(dir); err != nil {
		return err
	}
	log, _, err := openLog(dir)
	if err != nil {
		return err
	}
	for _, fd := range []int{1, 2} {
		if err := unix.Dup2(int(log.Fd()), fd); err != nil {
			return fmt.Errorf("redirect the output to the log: %w", err)
		}
	}
	o := Options{Addr: addr, Dir: dir}
	return fmt.Errorf("run %s: %w", program, syscall.Exec(program, append([]string{program}, o.args()...), os.Environ()))
}
