package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// legacy are system calls that newer architectures do not have.
var legacy = []uint32{
	unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_GETDENTS, unix.SYS_DUP2, unix.SYS_PIPE, unix.SYS_POLL,
	unix.SYS_SELECT, unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_WAIT, unix.SYS_TIME, unix.SYS_ARCH_PRCTL,
}

// open is the older form of openat.
func (f *filter) open(scratch bool) {
	if scratch {
		f.allow(unix.SYS_OPEN)
	} else {
		f.when(unix.SYS_OPEN, without(1, writing))
	}
}
