//go:build unix && !linux

package sandbox

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

// shell sets the limits and replaces itself with the program. A limit that the
// system does not support, or that is already lower, remains as it is: in POSIX
// a shell continues after a failed ulimit, because it is not a special built-in
// (XCU 2.8.1). The arguments are: CPU time in seconds, file size in blocks of
// 512 bytes, address space in KiB, the program and its arguments.
const shell = `umask 077
ulimit -c 0
ulimit -H -t "$(($1 + 5))" 2>/dev/null
ulimit -S -t "$1" 2>/dev/null
ulimit -f "$2" 2>/dev/null
ulimit -v "$3" 2>/dev/null
ulimit -n 64 2>/dev/null
shift 3
exec "$@"`

func (s *Sandbox) command(ctx context.Context, p Profile, program string, args []string) *exec.Cmd {
	return exec.CommandContext(ctx, "/bin/sh", append([]string{
		"-c", shell, "sh",
		fmt.Sprint(int64(p.CPU/time.Second) + 1),
		fmt.Sprint(p.File/512 + 1),
		fmt.Sprint(p.Memory >> 10),
		program,
	}, args...)...)
}
