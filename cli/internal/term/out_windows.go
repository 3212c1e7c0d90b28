package term

import "os"

// isClosed reports whether out was closed when the process started.
func isClosed(out *os.File) bool {
	_, err := out.Stat()
	return err != nil
}
