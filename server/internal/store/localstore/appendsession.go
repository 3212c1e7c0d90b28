package localstore

import (
	"bytes"
	"os"
	"sync"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// appendSession is one Append at work.
type appendSession struct {
	videos    *videos
	lock      *uploadLock
	id        string
	number    int64 // among the upload's Appends; see gate.newest
	file      *os.File
	size      int64 // of the whole upload
	start     int64 // where the piece begins
	hash      digest
	commitDue chan struct{} // tells that commitBytes wait for a commit

	syncFailed bool // the file's bytes beyond committed may be lost

	mu        sync.Mutex
	written   int64  // end of what is in the file and in state
	state     []byte // the digest's state at written
	committed int64
	err       error // the first one
}

func (p *appendSession) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

func (p *appendSession) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

// result is how many bytes of the piece are stored, and the first error.
func (p *appendSession) result() (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.committed - p.start, p.err
}

// current is nil while no newer Append has begun. One of the gate's locks is held.
func (p *appendSession) current() error {
	if p.lock.newest != p.number {
		return sx.NewError(sx.CodeOffsetConflict, "upload %s is being continued by a newer request", p.id)
	}
	return nil
}

// write appends b to the file and the digest. Nothing else moves written forward.
func (p *appendSession) write(b []byte) {
	n, err := p.writeFile(b)
	if err != nil {
		p.fail(err)
	}
	p.hash.Write(b[:n])

	p.mu.Lock()
	defer p.mu.Unlock()
	state, err := p.hash.AppendBinary(p.state[:0])
	if err != nil {
		if p.err == nil {
			p.err = err
		}
		return
	}
	p.state = state
	p.written += int64(n)
	if p.written-p.committed >= commitBytes {
		select {
		case p.commitDue <- struct{}{}:
		default:
		}
	}
}

func (p *appendSession) writeFile(b []byte) (int, error) {
	p.lock.writing.Lock()
	defer p.lock.writing.Unlock()
	if err := p.current(); err != nil {
		return 0, err
	}
	return p.file.WriteAt(b, p.written)
}

// commitLoop commits while the piece comes in.
func (p *appendSession) commitLoop(stop <-chan struct{}) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-p.commitDue:
		case <-tick.C:
		}
		p.commit()
	}
}

// commit makes durable what is written so far: first the bytes, then the
// record that counts them. It takes no ctx: what has arrived is kept, above
// all when the request was broken off. It runs in one goroutine at a time.
func (p *appendSession) commit() {
	if p.syncFailed {
		return
	}
	p.mu.Lock()
	end, state, behind := p.written, bytes.Clone(p.state), p.committed < p.written
	p.mu.Unlock()
	if behind {
		if err := syncData(p.file); err != nil {
			// The kernel reports a lost page once: a second sync would succeed
			// without it.
			p.syncFailed = true
			p.fail(err)
			return
		}
	}
	p.lock.recording.Lock()
	defer p.lock.recording.Unlock()
	err := p.current()
	if err == nil && behind {
		err = p.record(end, state)
	}
	if err != nil {
		p.fail(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.committed = end
}

func (p *appendSession) record(end int64, state []byte) error {
	// Batch shares one sync among uploads that commit at the same time.
	return p.videos.db.bolt.Batch(func(t tx) error {
		u, err := uploadRecords.get(t, p.id)
		if err != nil {
			return err
		}
		u.Offset, u.State, u.Updated = end, state, time.Now()
		return uploadRecords.put(t, p.id, u)
	})
}
