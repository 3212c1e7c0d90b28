package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/soundextract/sx/server/sx"
)

var (
	errPreempted = sx.NewError(sx.CodeOffsetConflict, "a newer request continues this upload")
	errLocked    = sx.NewError(sx.CodeUnavailable, "the previous request is still being stored")
	errStopping  = sx.NewError(sx.CodeUnavailable, "the server is shutting down")
)

// lockTimeout bounds how long a request waits for the one that it preempts.
const lockTimeout = 20 * time.Second

// uploadLocks lets one request at a time work on an upload. The newest request
// wins and the older one is stopped: after a broken connection, the server often
// has not noticed yet that the client of the older one is gone. Between
// processes, store.Videos.Append keeps the same rule.
type uploadLocks struct {
	mu      sync.Mutex
	last    uint64 // order of the newest request
	holders map[string]*uploadLock
	closed  bool
}

type uploadLock struct {
	order    uint64 // a newer request has a higher one
	stop     func(reason error)
	released chan struct{}
}

func newUploadLocks() *uploadLocks { return &uploadLocks{holders: map[string]*uploadLock{}} }

// Preempt stops the request that holds the lock, waits for it and takes the lock.
// A newer Preempt calls stop, which must not block and may be called several
// times until release. A request that is preempted while it waits gets an Error
// of code offset_conflict.
func (l *uploadLocks) Preempt(ctx context.Context, id string, stop func(reason error)) (release func(), err error) {
	return l.acquire(ctx, id, &uploadLock{stop: stop, released: make(chan struct{})}, true)
}

// Lock is Preempt for short work that is not preempted itself, not even while it
// waits: a tus client that gets no offset would start its upload again, and a
// delete must not be preempted.
func (l *uploadLocks) Lock(ctx context.Context, id string) (release func(), err error) {
	return l.acquire(ctx, id, &uploadLock{stop: func(error) {}, released: make(chan struct{})}, false)
}

func (l *uploadLocks) acquire(ctx context.Context, id string, lock *uploadLock, preemptible bool) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.closed {
			return nil, errStopping
		}
		if lock.order == 0 || !preemptible {
			l.last++
			lock.order = l.last
		}
		holder := l.holders[id]
		if holder == nil {
			l.holders[id] = lock
			return func() { l.release(id, lock) }, nil
		}
		if holder.order > lock.order {
			return nil, errPreempted
		}
		holder.stop(errPreempted)
		l.mu.Unlock()
		select {
		case <-holder.released:
		case <-ctx.Done():
		}
		l.mu.Lock()
		if ctx.Err() != nil {
			return nil, errLocked
		}
	}
}

func (l *uploadLocks) release(id string, lock *uploadLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.holders, id)
	close(lock.released)
}

// held reports whether a request works on the upload.
func (l *uploadLocks) held(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holders[id] != nil
}

// active lists the uploads that requests work on.
func (l *uploadLocks) active() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, 0, len(l.holders))
	for id := range l.holders {
		ids = append(ids, id)
	}
	return ids
}

// stop ends the request that works on the upload.
func (l *uploadLocks) stop(id string, reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if holder := l.holders[id]; holder != nil {
		holder.stop(reason)
	}
}

// close ends all requests and refuses new ones.
func (l *uploadLocks) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, holder := range l.holders {
		holder.stop(errStopping)
	}
}
