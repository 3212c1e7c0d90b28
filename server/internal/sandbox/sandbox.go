// Package sandbox starts programs with fewer privileges than this process has: with
// resource limits, and on Linux without capabilities, under Landlock and a seccomp filter
// where the kernel has them, and as another user where the operator says so.
//
// On Linux, the program is started through this process's own executable, which gives up
// its privileges and then replaces itself with the program. Any program that imports this
// package can be used for that, including tests.
package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Profile is what a program may do, besides computing and using the descriptors that it
// inherits.
type Profile struct {
	CPU    time.Duration // limit of CPU time
	File   int64         // limit of the size of a file that it writes, in bytes
	Memory int64         // limit of its address space, in bytes
	Data   int64         // limit of what it allocates of that, in bytes, on Linux; 0 means none

	// Port is the only TCP port to which it may connect; 0 means that it may not create
	// sockets.
	Port int
	// Scratch allows it to open its inherited files in memory (memfd_create) for writing.
	Scratch bool
}

// ExitNotStarted is the exit code of a program that could not be started.
const ExitNotStarted = 125

// Protection says what protects this process from the programs.
type Protection struct {
	Landlock int  `json:"landlock_abi"` // version of the ABI; 0 means none
	Seccomp  bool `json:"seccomp"`      // system calls are filtered
	User     bool `json:"user"`         // they run as another user
}

// Confined reports whether the programs can reach only what their profiles allow.
func (p Protection) Confined() bool { return p.Landlock > 0 && p.Seccomp }

// Config says how programs are started.
type Config struct {
	// UID and GID are the user and the group that they run as; 0 means those of this
	// process. They need the capabilities SETUID, SETGID and KILL.
	UID, GID int
	// Unconfined starts programs with resource limits only.
	Unconfined bool
}

// Sandbox starts programs.
type Sandbox struct {
	cfg        Config
	protection Protection
	files      map[string]files // of the programs that are confined
}

// files are what a program needs to start.
type files struct {
	Exec []string // files that are executed: it and its loader
	Read []string // its libraries and their configuration
}

// New returns a sandbox for the programs, given as absolute paths, after it has started
// each of them once. If one cannot be confined, none is, and the log says why. An error
// means that they cannot run as the other user.
func New(ctx context.Context, cfg Config, log *slog.Logger, programs ...string) (*Sandbox, error) {
	plain := &Sandbox{cfg: cfg, protection: Protection{User: cfg.UID != 0}}
	if cfg.UID != 0 {
		if runtime.GOOS != "linux" {
			return nil, sx.NewError(sx.CodeInvalid, "ffmpeg can run as another user only on Linux")
		}
		for _, program := range programs {
			if err := plain.try(ctx, program); err != nil {
				return nil, sx.NewError(sx.CodeInvalid, "cannot run %s as user %d: %v", program, cfg.UID, err).WithCause(err).
					WithHint("start the converter as root, or with the capabilities SETUID, SETGID and KILL; the user must be able to run it")
			}
		}
	}
	if cfg.Unconfined {
		return plain, nil
	}
	confined := &Sandbox{cfg: cfg, protection: plain.protection, files: map[string]files{}}
	confined.protection.Landlock, confined.protection.Seccomp = supported()
	if !confined.protection.Confined() {
		log.WarnContext(ctx, "this system cannot confine ffmpeg completely",
			"landlock_abi", confined.protection.Landlock, "seccomp", confined.protection.Seccomp)
	}
	if confined.protection == plain.protection {
		return plain, nil
	}
	for _, program := range programs {
		needed, err := neededBy(ctx, program)
		if err == nil {
			confined.files[program] = needed
			err = confined.try(ctx, program)
		}
		if err != nil {
			log.WarnContext(ctx, "ffmpeg runs without Landlock and seccomp", "program", program, "reason", err)
			return plain, nil
		}
	}
	return confined, nil
}

// try starts the program.
func (s *Sandbox) try(ctx context.Context, program string) error {
	cmd := s.Command(ctx, Profile{CPU: time.Minute, File: 1 << 20, Memory: 2 << 30}, program, "-version")
	cmd.Env = []string{"LC_ALL=C"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %.300q", err, out)
	}
	return nil
}

// Protection returns what is in force.
func (s *Sandbox) Protection() Protection { return s.protection }

// Command returns the command that starts the program.
func (s *Sandbox) Command(ctx context.Context, p Profile, program string, args ...string) *exec.Cmd {
	return s.command(ctx, p, program, args)
}
