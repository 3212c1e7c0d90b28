package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// legacy are system calls that this architecture does not have.
var legacy []uint32

func (f *filter) open(bool) {}
