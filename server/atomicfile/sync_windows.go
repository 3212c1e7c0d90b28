package atomicfile

// syncDir does nothing: Windows cannot sync a directory, and NTFS journals a
// rename.
func syncDir(string) error { return nil }
