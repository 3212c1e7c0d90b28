//go:build !linux

package mediafiles

// hasWriter reports whether a program has the file open for writing, which is unknown.
func hasWriter(string) bool { return false }
