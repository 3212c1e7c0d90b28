//go:build unix && !linux

package ffmpeg

import "syscall"

// dieWithParent does nothing: there is no such mechanism. An orphaned program fails when
// it reads from its source, or exceeds its CPU limit.
func dieWithParent(*syscall.SysProcAttr) {}
