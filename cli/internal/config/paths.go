package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/soundextract/sx/server/sx"
)

const appDir = "soundextract"

// EnvFile is the variable that selects another config file.
const EnvFile = "SX_CONFIG"

// Path returns the path of the config file: SX_CONFIG, or else config.yaml in the
// user's config directory. Without a home directory it is "".
func Path() (string, error) {
	if path := os.Getenv(EnvFile); path != "" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return "", fmt.Errorf("find the config file: %w", err)
		}
		return abs, nil
	}
	if dir, err := os.UserConfigDir(); err == nil {
		return filepath.Join(dir, appDir, "config.yaml"), nil
	}
	return "", nil
}

// StateDir returns the directory of what sx keeps between runs. Without a home
// directory that can be written to, as in containers, it is below the directory for
// temporary files.
func StateDir() (string, error) {
	dir, err := userDir("XDG_STATE_HOME", "state")
	if err == nil && creatable(dir) {
		return dir, nil
	}
	return temporary()
}

// DataDir returns the default data directory of sx up.
func DataDir() (string, error) { return userDir("XDG_DATA_HOME", "share") }

// userDir follows the XDG base directory specification. On macOS and Windows, where
// an application has one directory for everything, kind is a directory in it.
func userDir(variable, kind string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, appDir), nil
	}
	if dir := os.Getenv("LocalAppData"); runtime.GOOS == "windows" && dir != "" {
		return filepath.Join(dir, appDir, kind), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", noHome()
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", appDir, kind), nil
	}
	return filepath.Join(home, ".local", kind, appDir), nil
}

func noHome() error {
	return sx.NewError(sx.CodeInvalid, "cannot find your home directory").
		WithHint("set HOME to its path")
}

// creatable reports whether the directory exists or could be created.
func creatable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err == nil {
			return info.IsDir() && writable(dir)
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || parent == dir {
			return false
		}
		dir = parent
	}
}

// temporary returns a directory of this user below that for temporary files. Other
// users can create directories there too, so one that is not the user's own, or open to
// others, is not used.
func temporary() (string, error) {
	dir := filepath.Join(os.TempDir(), appDir+"-"+strconv.Itoa(os.Getuid()))
	err := os.Mkdir(dir, 0o700)
	if err == nil || errors.Is(err, os.ErrExist) && private(dir) {
		return dir, nil
	}
	if dir, err = os.MkdirTemp("", appDir+"-"); err != nil {
		return "", sx.NewError(sx.CodeInvalid, "cannot create a directory for the state of transfers: %s", reason(err)).WithCause(err).
			WithHint("set HOME to a directory that you can write to")
	}
	return dir, nil
}
