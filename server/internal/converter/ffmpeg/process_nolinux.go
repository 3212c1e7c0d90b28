//go:build unix && !linux

package ffmpeg

import "syscall"

// dieWithParent has no counterpart here: the CPU limit ends a program that was
// left behind, and it stops by itself once its source is gone.
func dieWithParent(*syscall.SysProcAttr) {}
