package tusserver

import (
	"context"
	"sync"
	"time"

	"github.com/soundextract/sx/server/sx"
)

var (
	errPreempted = sx.NewError(sx.CodeOffsetConflict, "a newer request continues this upload")
	errLocked    = sx.NewError(sx.CodeUnavailable, "the previous request is still being stored")
)

// lockTimeout bounds the wait for a preempted request.
const lockTimeout = 20 * time.Second

// Locks let one request at a time work on an upload. The newest request wins and
// the older one is stopped: after a broken connection, the server often has not
// noticed yet that the client of the older one is gone.
//
// They work within one process. Between processes, the store must refuse the
// appends of older requests.
type Locks struct {
	mu      sync.Mutex
	last    uint64 // the order of the newest request
	holders map[string]*lock
}

type lock struct {
	order    uint64 // higher for a newer request
	stop     func(reason error)
	released chan struct{}
}

// NewLocks returns Locks that nobody holds.
func NewLocks() *Locks { return &Locks{holders: map[string]*lock{}} }

// Preempt stops the request that holds the lock, waits for it and acquires the
// lock. A newer request calls stop, which must not block and may be called
// several times until release. A request that is preempted while it waits gets
// an *sx.Error of code offset_conflict; one that waits too long, one of code
// unavailable.
func (l *Locks) Preempt(ctx context.Context, id string, stop func(reason error)) (release func(), err error) {
	return l.acquire(ctx, id, &lock{stop: stop, released: make(chan struct{})}, true)
}

// Lock is Preempt for short work that cannot itself be preempted, not even
// while it waits: a tus client that gets no offset would start its upload
// again, and a delete must not be preempted.
func (l *Locks) Lock(ctx context.Context, id string) (release func(), err error) {
	return l.acquire(ctx, id, &lock{stop: func(error) {}, released: make(chan struct{})}, false)
}

func (l *Locks) acquire(ctx context.Context, id string, mine *lock, preemptible bool) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if mine.order == 0 || !preemptible {
			l.last++
			mine.order = l.last
		}
		holder := l.holders[id]
		if holder == nil {
			l.holders[id] = mine
			return func() { l.release(id, mine) }, nil
		}
		if holder.order > mine.order {
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

func (l *Locks) release(id string, mine *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.holders, id)
	close(mine.released)
}

// Held reports whether a request holds the lock of the upload.
func (l *Locks) Held(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holders[id] != nil
}

// All returns the ids of the uploads whose locks are held.
func (l *Locks) All() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, 0, len(l.holders))
	for id := range l.holders {
		ids = append(ids, id)
	}
	return ids
}

// Stop ends the request that holds the lock of the upload, with reason as its
// response.
func (l *Locks) Stop(id string, reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if holder := l.holders[id]; holder != nil {
		holder.stop(reason)
	}
}
