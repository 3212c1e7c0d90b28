//go:build linux && !amd64 && !arm64

package sandbox

import (
	"errors"

	"golang.org/x/sys/unix"
)

func canFilter() bool { return false }

func (o *orders) filter(execArgs) (*unix.SockFprog, error) {
	return nil, errors.New("system calls cannot be filtered on this architecture")
}
