package cmdutil

import (
	"os"
	"path/filepath"
)

// ShownPath returns an absolute path in the form in which the user gave output: relative
// to the current directory if it is below that, unless output is absolute.
func ShownPath(path, output string) string {
	if filepath.IsAbs(output) {
		return path
	}
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
