package localstore

import "sync"

const (
	// ringSize is all the memory that an Append needs for its bytes.
	ringSize = 256 << 10
	// ringStep is the most that one side works on at a time, so that the other
	// one can work on the rest.
	ringStep = 128 << 10
)

// ring passes bytes from the goroutine that receives them to the one that
// writes them. What is received can be taken at once: while a slow link is
// waited for, nothing is held back.
type ring struct {
	buf *[ringSize]byte

	mu     sync.Mutex
	moved  *sync.Cond
	in     int64 // bytes put in so far
	out    int64 // bytes taken out so far
	closed bool
}

func newRing(buf *[ringSize]byte) *ring {
	r := &ring{buf: buf}
	r.moved = sync.NewCond(&r.mu)
	return r
}

// space waits for room and gives some of it, to be filled.
func (r *ring) space() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.in-r.out == ringSize {
		r.moved.Wait()
	}
	return r.part(r.in, ringSize-(r.in-r.out))
}

// filled makes the first n bytes of space available.
func (r *ring) filled(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in += int64(n)
	r.moved.Signal()
}

// close says that nothing more will be filled.
func (r *ring) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.moved.Signal()
}

// data waits for bytes and gives some of them, nil after the last.
func (r *ring) data() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.in == r.out {
		if r.closed {
			return nil
		}
		r.moved.Wait()
	}
	return r.part(r.out, r.in-r.out)
}

// taken frees the first n bytes of data.
func (r *ring) taken(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out += int64(n)
	r.moved.Signal()
}

// part is the beginning of the n bytes at a place, as far as it is in one piece.
func (r *ring) part(at, n int64) []byte {
	from := at % ringSize
	return r.buf[from:min(from+n, from+ringStep, ringSize)]
}
