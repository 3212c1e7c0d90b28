//go:build unix

package parallel

import "golang.org/x/sys/unix"

// allocate returns memory outside of Go's heap, where the collector would let garbage
// grow in proportion to it.
func allocate(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

func deallocate(b []byte) { _ = unix.Munmap(b) } // fails only for what was not mapped
