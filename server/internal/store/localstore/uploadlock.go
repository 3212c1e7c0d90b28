package localstore

import "sync"

// uploadLock lets only the newest Append of an upload through.
type uploadLock struct {
	// writing is held for each write to the file and recording for each change
	// of the record, but neither while a source is read: a newer Append does
	// not wait for the older one's network.
	writing, recording sync.Mutex
	// newest numbers the Appends. It is changed with both locks held, so it may
	// be read with either.
	newest int64
	users  int // guarded by videos.mu
}

// lock stops all Appends of the upload; the next one may be begun.
func (l *uploadLock) lock() (unlock func()) {
	l.writing.Lock()
	l.recording.Lock()
	return func() {
		l.recording.Unlock()
		l.writing.Unlock()
	}
}

// acquireLock gives the upload's gate, to be given back by releaseLock.
func (v *videos) acquireLock(id string) *uploadLock {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.locks[id]
	if l == nil {
		l = &uploadLock{}
		v.locks[id] = l
	}
	l.users++
	return l
}

func (v *videos) releaseLock(id string, l *uploadLock) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(v.locks, id)
	}
}
