package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsyscall "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// marker is the name under which this executable starts to become another program.
const marker = "sx-sandbox"

// orders are what the executable is to do before it becomes the program.
type orders struct {
	Profile
	UID, GID          int
	Parent            int // process ID
	Files             files
	Landlock, Seccomp bool
}

// init replaces the process with the program whose command line begins with marker. It
// runs before main, and before most packages are initialized, since encoders are started
// often.
func init() {
	if len(os.Args) < 3 || os.Args[0] != marker {
		return
	}
	err := become(os.Args[1], os.Args[2], os.Args[2:])
	_, _ = syscall.Write(2, fmt.Appendf(nil, "cannot start %s: %v\n", os.Args[2], err))
	syscall.Exit(ExitNotStarted)
}

// become gives up the privileges as ordered and replaces the process with the program.
func become(encoded, program string, args []string) error {
	debug.SetGCPercent(-1) // memory may become scarce below
	runtime.LockOSThread() // privileges are those of a thread
	var o orders
	if err := json.Unmarshal([]byte(encoded), &o); err != nil {
		return err
	}
	path, err := syscall.BytePtrFromString(program)
	if err != nil {
		return err
	}
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	exec := execArgs{uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0]))}

	if err := o.giveUpUser(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	if o.Landlock {
		if err := o.restrict(); err != nil {
			return err
		}
	}
	var filter *unix.SockFprog
	if o.Seccomp {
		if filter, err = o.filter(exec); err != nil {
			return err
		}
	}
	if err := o.limit(); err != nil {
		return err
	}
	// From here on nothing is allocated.
	if filter != nil {
		if _, _, e := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(filter))); e != 0 {
			return fmt.Errorf("filtering system calls: %w", e)
		}
	}
	_, _, e := syscall.RawSyscall(syscall.SYS_EXECVE, exec.path, exec.argv, exec.env)
	runtime.KeepAlive(path)
	runtime.KeepAlive(argv)
	runtime.KeepAlive(env)
	return e
}

// execArgs are the arguments of the only execve that is allowed: addresses in this
// process, which mean nothing in the program.
type execArgs struct{ path, argv, env uintptr }

// giveUpUser changes to the other user, and gives up all capabilities.
func (o *orders) giveUpUser() error {
	if o.UID != 0 {
		for _, step := range []struct {
			call uintptr
			args [3]uintptr
		}{
			{unix.SYS_SETGROUPS, [3]uintptr{}},
			{unix.SYS_SETRESGID, [3]uintptr{uintptr(o.GID), uintptr(o.GID), uintptr(o.GID)}},
			{unix.SYS_SETRESUID, [3]uintptr{uintptr(o.UID), uintptr(o.UID), uintptr(o.UID)}},
		} {
			if _, _, e := syscall.RawSyscall(step.call, step.args[0], step.args[1], step.args[2]); e != 0 {
				return fmt.Errorf("changing to user %d and group %d: %w", o.UID, o.GID, e)
			}
		}
		// The kernel clears it when the user changes.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return fmt.Errorf("setting the signal at the parent's death: %w", err)
		}
	}
	if os.Getppid() != o.Parent {
		return errors.New("the parent process has ended")
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) // Linux 4.3
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	return nil
}

// restrict restricts this thread with Landlock.
func (o *orders) restrict() error {
	const read = llsyscall.AccessFSReadFile
	rules := []landlock.Rule{
		landlock.PathAccess(read|llsyscall.AccessFSExecute, o.Files.Exec...),
		landlock.PathAccess(read, o.Files.Read...).IgnoreIfMissing(),
	}
	if o.Port != 0 {
		rules = append(rules, landlock.ConnectTCP(uint16(o.Port))) //nolint:gosec // a port
	}
	fd, flags, err := landlock.V11.BestEffort().NewRulesetFD(rules...)
	switch {
	case err != nil:
		return fmt.Errorf("making the Landlock rules: %w", err)
	case fd < 0:
		return errors.New("no Landlock")
	}
	if err := llsyscall.LandlockRestrictSelf(fd, flags); err != nil {
		return fmt.Errorf("restricting with Landlock: %w", err)
	}
	return nil
}

// limit sets the resource limits, as far as they lower what is in force.
func (o *orders) limit() error {
	syscall.Umask(0o077)
	seconds := uint64(o.CPU/time.Second) + 1
	data := cmp.Or(o.Data, o.Memory)
	for _, l := range []struct {
		resource  int
		soft, max uint64
	}{
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_CPU, seconds, seconds + 5},
		{unix.RLIMIT_FSIZE, uint64(o.File), uint64(o.File)}, //nolint:gosec // not negative
		{unix.RLIMIT_NOFILE, 64, 64},
		{unix.RLIMIT_AS, uint64(o.Memory), uint64(o.Memory)}, //nolint:gosec // not negative
		{unix.RLIMIT_DATA, uint64(data), uint64(data)},       //nolint:gosec // not negative
	} {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(l.resource, &now); err != nil {
			return fmt.Errorf("getting a resource limit: %w", err)
		}
		limit := syscall.Rlimit{Cur: min(l.soft, now.Max), Max: min(l.max, now.Max)}
		if err := syscall.Setrlimit(l.resource, &limit); err != nil {
			return fmt.Errorf("setting a resource limit: %w", err)
		}
	}
	return nil
}
