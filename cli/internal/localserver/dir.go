package localserver

import (
	"path/filepath"

	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/server/sx"
)

// Dir is the data folder, as an absolute path: the one asked for, else the one
// used last, else the usual one. Both may be "".
func Dir(asked, last string) (string, error) {
	dir := asked
	if dir == "" {
		dir = last
	}
	if dir == "" {
		return config.DataDir()
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", sx.NewError(sx.CodeInvalid, "cannot find the data directory %q", dir).WithCause(err).
			WithHint("give its full path with --data")
	}
	return abs, nil
}
