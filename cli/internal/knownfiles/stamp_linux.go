package knownfiles

import (
	"fmt"
	"io/fs"
	"syscall"
)

// stamp changes when the file does. The time of the last change of the inode is part of
// it, because programs that edit tags can restore the modification time.
func stamp(info fs.FileInfo) string {
	s := fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s += fmt.Sprintf(" %d %d", sys.Ino, sys.Ctim.Nano())
	}
	return s
}
