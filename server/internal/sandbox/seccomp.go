//go:build linux && (amd64 || arm64)

package sandbox

import (
	"os"

	"golang.org/x/sys/unix"
)

// allowed are the system calls that programs need to compute, to start threads, to use
// descriptors, and to read files as far as Landlock allows it. legacy has those that only
// older architectures have.
var allowed = []uint32{
	// files
	unix.SYS_READ, unix.SYS_READV, unix.SYS_PREAD64, unix.SYS_PREADV, unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_PWRITE64,
	unix.SYS_PWRITEV, unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_LSEEK, unix.SYS_FSTAT, unix.SYS_NEWFSTATAT, unix.SYS_STATX,
	unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT, unix.SYS_GETCWD,
	unix.SYS_GETDENTS64, unix.SYS_FADVISE64, unix.SYS_UMASK, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2,
	unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
	// memory
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_MINCORE,
	unix.SYS_MLOCK, unix.SYS_MUNLOCK, unix.SYS_MEMBARRIER,
	// threads, signals and time
	unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_GET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_SET_TID_ADDRESS,
	unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETSCHEDULER,
	unix.SYS_SCHED_GET_PRIORITY_MAX, unix.SYS_SCHED_GET_PRIORITY_MIN, unix.SYS_GETCPU, unix.SYS_RT_SIGACTION,
	unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL, unix.SYS_NANOSLEEP,
	unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY, unix.SYS_TIMES,
	unix.SYS_GETRUSAGE, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETRLIMIT, unix.SYS_GETRANDOM, unix.SYS_EXIT,
	unix.SYS_EXIT_GROUP,
}

// sockets are the system calls that a TCP client needs, besides socket and those that
// send.
var sockets = []uint32{
	unix.SYS_CONNECT, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_SHUTDOWN,
	unix.SYS_RECVFROM, unix.SYS_RECVMSG,
}

// writing are the flags of open that change something.
const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC | unix.O_APPEND

// namespaces are the flags of clone that make namespaces.
const namespaces = unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
	unix.CLONE_NEWUSER | unix.CLONE_NEWUTS

// canFilter reports whether the system calls of this architecture are known.
func canFilter() bool { return true }

// filter returns the filter: all system calls that it does not allow fail with EPERM.
func (o *orders) filter(exec execArgs) (*unix.SockFprog, error) {
	f := newFilter()
	f.allow(allowed...)
	f.allow(legacy...)
	// Libraries then use clone, whose flags a filter can see.
	f.refuse(unix.SYS_CLONE3, unix.ENOSYS)
	f.when(unix.SYS_EXECVE, equal(0, uint64(exec.path)), equal(1, uint64(exec.argv)), equal(2, uint64(exec.env)))
	f.when(unix.SYS_CLONE, with(0, unix.CLONE_THREAD), without(0, namespaces))
	own := uint64(os.Getpid()) //nolint:gosec // positive
	f.when(unix.SYS_KILL, equal(0, own))
	f.when(unix.SYS_TGKILL, equal(0, own))
	if o.Scratch {
		f.allow(unix.SYS_OPENAT, unix.SYS_FTRUNCATE)
	} else {
		f.when(unix.SYS_OPENAT, without(2, writing))
	}
	f.open(o.Scratch)
	for _, command := range []uint64{
		unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_GETPIPE_SZ,
	} {
		f.when(unix.SYS_FCNTL, equal(1, command))
	}
	for _, request := range []uint64{unix.TCGETS, unix.TIOCGWINSZ, unix.TIOCINQ, fionbio} {
		f.when(unix.SYS_IOCTL, equal(1, request))
	}
	for _, option := range []uint64{unix.PR_SET_NAME, unix.PR_GET_NAME, unix.PR_GET_DUMPABLE, unix.PR_SET_VMA} {
		f.when(unix.SYS_PRCTL, equal(0, option))
	}
	f.when(unix.SYS_PRLIMIT64, equal(0, 0), equal(2, 0)) // only reads its own
	if o.Port != 0 {
		f.allow(sockets...)
		// Other protocols, and connecting while sending, would evade Landlock.
		for _, protocol := range []uint64{0, unix.IPPROTO_TCP} {
			for _, kind := range []uint64{0, unix.SOCK_CLOEXEC, unix.SOCK_NONBLOCK, unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK} {
				f.when(unix.SYS_SOCKET, equal(0, unix.AF_INET), equal(1, unix.SOCK_STREAM|kind), equal(2, protocol))
			}
		}
		f.when(unix.SYS_SENDTO, without(3, unix.MSG_FASTOPEN))
		f.when(unix.SYS_SENDMSG, without(2, unix.MSG_FASTOPEN))
	}
	return f.program()
}

// fionbio makes a descriptor non-blocking.
const fionbio = 0x5421
