package ffmpeg

import "syscall"

// dieWithParent has the kernel end the program if this process is killed.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
