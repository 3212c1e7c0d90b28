//go:build !linux && !darwin

package knownfiles

import (
	"fmt"
	"io/fs"
)

// stamp changes when the file does.
func stamp(info fs.FileInfo) string {
	return fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
}
