package sandbox

import (
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// self is this process's executable, even if the file has since been replaced by another
// version.
const self = "/proc/self/exe"

func (s *Sandbox) command(ctx context.Context, p Profile, program string, args []string) *exec.Cmd {
	o := orders{Profile: p, UID: s.cfg.UID, GID: s.cfg.GID, Parent: os.Getpid()}
	if needed, ok := s.files[program]; ok {
		o.Files, o.Landlock, o.Seccomp = needed, s.protection.Landlock > 0, s.protection.Seccomp
	}
	encoded, _ := json.Marshal(o) // it has only numbers and strings
	cmd := exec.CommandContext(ctx, self, append([]string{string(encoded), program}, args...)...)
	cmd.Args[0] = marker
	return cmd
}

// supported returns the version of Landlock's ABI, and whether system calls can be
// filtered.
func supported() (abi int, filter bool) {
	if v, err := landlock.LandlockGetABIVersion(); err == nil {
		abi = v
	}
	// The kernel refuses a filter that is nil, after it has looked at the rest.
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, 0)
	return abi, e == unix.EFAULT && canFilter()
}

// libraryDirs are where loaders look for libraries (ld.so(8)); they contain nothing
// secret.
var libraryDirs = []string{"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"}

// commonFiles are read by loaders and libraries.
var commonFiles = []string{"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path", "/dev/null", "/dev/urandom", "/dev/zero"}

// neededBy returns what the program needs to start.
func neededBy(ctx context.Context, program string) (files, error) {
	f, err := elf.Open(program)
	if err != nil {
		return files{}, fmt.Errorf("not an executable of this system, perhaps a script: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	needed := files{Exec: []string{program}, Read: append(slices.Clone(libraryDirs), commonFiles...)}
	i := slices.IndexFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
	if i < 0 {
		return files{Exec: needed.Exec, Read: commonFiles}, nil
	}
	path := make([]byte, min(f.Progs[i].Filesz, 4096))
	if _, err := f.Progs[i].ReadAt(path, 0); err != nil {
		return files{}, fmt.Errorf("reading the name of the loader: %w", err)
	}
	loader := strings.TrimRight(string(path), "\x00")
	needed.Exec = append(needed.Exec, loader)
	if usual(program) {
		return needed, nil
	}
	// Its libraries may be anywhere, so ask the loader.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, loader, "--list", program).Output()
	if err != nil {
		return files{}, fmt.Errorf("listing its libraries: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		_, rest, _ := strings.Cut(line, "=> ")
		if library, _, ok := strings.Cut(rest, " ("); ok && filepath.IsAbs(library) && !usual(library) {
			needed.Read = append(needed.Read, library)
		}
	}
	return needed, nil
}

// usual reports whether a program or a library is where system packages are installed.
func usual(path string) bool {
	return slices.ContainsFunc(append([]string{"/bin", "/usr/bin", "/usr/local/bin"}, libraryDirs...),
		func(dir string) bool { return strings.HasPrefix(path, dir+"/") })
}
