//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package term_test

import (
	"os"

	"golang.org/x/sys/unix"
)

// echoes reports whether the terminal echoes what is typed.
func echoes(f *os.File) bool {
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TIOCGETA)
	return err == nil && state.Lflag&unix.ECHO != 0
}
