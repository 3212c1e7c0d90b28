package localstore

import "sync"

// uploadLock fences the Appends of one upload: only the newest one stores bytes.
type uploadLock struct {
	// writing is held for each write to the file, and recording for each change
	// of the record. Neither is held while a source is read, so that a newer
	// Append does not wait for the older one's network.
	writing, recording sync.Mutex
	// newest is the number of the newest Append, the fencing token. It is changed
	// with both mutexes held, so it may be read with either.
	newest int64
	refs   int // guarded by videos.mu
}

// lock blocks all Appends of the upload, so that another one may start.
func (l *uploadLock) lock() (unlock func()) {
	l.writing.Lock()
	l.recording.Lock()
	return func() {
		l.recording.Unlock()
		l.writing.Unlock()
	}
}

// acquireLock returns the upload's lock. The caller must call releaseLock when
// it no longer needs it.
func (v *videos) acquireLock(id string) *uploadLock {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.locks[id]
	if l == nil {
		l = &uploadLock{}
		v.locks[id] = l
	}
	l.refs++
	return l
}

func (v *videos) releaseLock(id string, l *uploadLock) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if l.refs--; l.refs == 0 {
		delete(v.locks, id)
	}
}
