package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/soundextract/sx/server/sx"
)

const appDir = "soundextract"

// EnvFile is the variable that selects another config file.
const EnvFile = "SX_CONFIG"

// Path returns the path of the config file: SX_CONFIG, or else config.yaml in the
// user's config directory.
func Path() (string, error) {
	if path := os.Getenv(EnvFile); path != "" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return "", fmt.Errorf("find the config file: %w", err)
		}
		return abs, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", noHome(err)
	}
	return filepath.Join(dir, appDir, "config.yaml"), nil
}

// StateDir returns the directory of what sx keeps between runs.
func StateDir() (string, error) { return userDir("XDG_STATE_HOME", "state") }

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
		return "", noHome(err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", appDir, kind), nil
	}
	return filepath.Join(home, ".local", kind, appDir), nil
}

func noHome(err error) error {
	return sx.NewError(sx.CodeInvalid, "cannot find your home directory").WithCause(err).
		WithHint("set HOME to its path")
}
