//go:build unix

package scripttest_test

import (
	"os"
	"os/exec"
	"syscall"
)

// asNobody takes root's rights from a command; others have none to take.
func asNobody(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}
