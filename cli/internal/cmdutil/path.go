package cmdutil

import (
	"os"
	"path/filepath"
)

// ShownPath returns an absolute path as a user would write it: relative to the current
// directory if it is below that.
func ShownPath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if final, err := filepath.EvalSymlinks(here); err == nil {
		here = final
	}
	if relative, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return path
}
