package config

import "os"

// writable is true: each user has directories of their own on Windows.
func writable(string) bool { return true }

func private(dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir()
}
