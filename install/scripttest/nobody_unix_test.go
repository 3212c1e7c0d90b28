//go:build unix

package scripttest_test

import (
	"os"
	"os/exec"
	"syscall"
)

// asNobody runs the command as nobody if the test runs as root.
func asNobody(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}
