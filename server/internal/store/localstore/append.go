package localstore

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/soundextract/sx/server/digest"
	"github.com/soundextract/sx/server/sx"
)

const (
	// A commit is due after this many bytes, so that syncing the disk overlaps
	// with receiving, and after this much time, so that a slow link loses
	// little.
	commitBytes = 16 << 20
	commitEvery = time.Second
	// bufferSize is all the memory that an Append needs for its bytes.
	bufferSize = 128 << 10
)

// Append reads, writes and hashes in this goroutine, while a second one commits.
// Bytes count as stored once they are synced and then recorded together with the
// state of the digest. Meanwhile the kernel's buffers of the connection fill: a
// third goroutine for reading would cost more in context switches than it saves.
func (v *videos) Append(ctx context.Context, id string, offset int64, src io.Reader) (int64, error) {
	l := v.acquireLock(id)
	defer v.releaseLock(id, l)
	a, err := v.startAppend(ctx, l, id, offset)
	if err != nil {
		return 0, err
	}
	defer func() { _ = a.file.Close() }() // commit has synced the bytes that count

	buf := v.buffers.Get().(*[bufferSize]byte)
	defer v.buffers.Put(buf)
	stop := make(chan struct{})
	var committing sync.WaitGroup
	committing.Go(func() { a.commitLoop(stop) })

	excess := a.copy(ctx, src, buf[:])
	close(stop)
	committing.Wait()
	a.commit()

	stored, err := a.result()
	switch {
	case err != nil:
		return stored, wrapError("append to video", err)
	case excess:
		return stored, sx.NewError(sx.CodeOffsetConflict, "upload %s received more than its %d bytes", id, a.size).
			WithHint("the file has changed since the upload started: upload it again")
	default:
		return stored, ctx.Err()
	}
}

// appendSession is one running Append.
type appendSession struct {
	videos    *videos
	lock      *uploadLock
	id        string
	number    int64 // of this Append; see uploadLock.newest
	file      *os.File
	size      int64 // of the whole upload
	start     int64 // the offset at which this Append started
	hash      *digest.SHA256
	commitDue chan struct{} // receives when commitBytes are not committed yet

	syncFailed bool // the file's bytes beyond committed may be lost

	mu        sync.Mutex
	written   int64  // the offset up to which file and state have all bytes
	state     []byte // the digest's state at written
	committed int64
	err       error // the first one
}

// startAppend makes this the newest Append of the upload and truncates the file
// to the recorded offset.
func (v *videos) startAppend(ctx context.Context, l *uploadLock, id string, offset int64) (*appendSession, error) {
	defer l.lock()()
	const doing = "start to append"
	var u uploadRecord
	var intact bool
	err := v.db.view(ctx, doing, func(t tx) (err error) {
		u, intact, err = v.load(t, id)
		return err
	})
	if err == nil && !intact {
		err = v.db.update(ctx, doing, func(t tx) error { return uploadRecords.put(t, id, u) })
	}
	if err != nil {
		return nil, err
	}
	if u.Offset != offset {
		return nil, sx.NewError(sx.CodeOffsetConflict, "upload %s has %d bytes, not %d", id, u.Offset, offset)
	}
	h, err := digest.Resume(u.DigestState)
	if err != nil {
		return nil, err
	}
	f, err := openAt(v.path(id), offset)
	if err == nil && !intact { // it may be new
		if err = syncDir(filepath.Dir(f.Name())); err != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		return nil, wrapError(doing, err)
	}
	l.newest++
	return &appendSession{
		videos: v, lock: l, id: id, number: l.newest, file: f, size: u.Size, start: offset,
		hash: h, state: u.DigestState, written: offset, committed: offset, commitDue: make(chan struct{}, 1),
	}, nil
}

// openAt opens the file for writing and truncates it to the offset.
func openAt(path string, offset int64) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > offset {
		err = f.Truncate(offset)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// copy writes what it reads from src, until src or ctx ends, the upload has all
// its bytes, or writing has failed. excess reports whether src had more bytes.
func (a *appendSession) copy(ctx context.Context, src io.Reader, buf []byte) (excess bool) {
	left := a.size - a.start
	for ctx.Err() == nil && !a.failed() {
		n, err := src.Read(buf)
		if excess = int64(n) > left; excess {
			n = int(left)
		}
		left -= int64(n)
		a.write(buf[:n])
		if err != nil || excess {
			break
		}
	}
	return excess
}

func (a *appendSession) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
}

func (a *appendSession) failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err != nil
}

// result returns how many bytes of this Append are stored, and the first error.
func (a *appendSession) result() (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.committed - a.start, a.err
}

// checkNewest returns an error once a newer Append has started. The caller holds
// one of the upload lock's mutexes.
func (a *appendSession) checkNewest() error {
	if a.lock.newest != a.number {
		return sx.NewError(sx.CodeOffsetConflict, "upload %s is being continued by a newer request", a.id)
	}
	return nil
}

// write appends b to the file and the digest. Nothing else advances written.
func (a *appendSession) write(b []byte) {
	n, err := a.writeFile(b)
	if err != nil {
		a.fail(err)
	}
	_, _ = a.hash.Write(b[:n]) // never fails
	state, err := a.hash.State()
	if err != nil {
		a.fail(err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = state
	a.written += int64(n)
	if a.written-a.committed >= commitBytes {
		select {
		case a.commitDue <- struct{}{}:
		default:
		}
	}
}

func (a *appendSession) writeFile(b []byte) (int, error) {
	a.lock.writing.Lock()
	defer a.lock.writing.Unlock()
	if err := a.checkNewest(); err != nil {
		return 0, err
	}
	return a.file.WriteAt(b, a.written)
}

// commitLoop commits while bytes arrive.
func (a *appendSession) commitLoop(stop <-chan struct{}) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-a.commitDue:
		case <-tick.C:
		}
		a.commit()
	}
}

// commit makes durable what has been written so far: first the bytes, then the
// record that counts them. It takes no ctx, because bytes that have arrived are
// kept even if the request was interrupted. It runs in one goroutine at a time.
func (a *appendSession) commit() {
	if a.syncFailed {
		return
	}
	a.mu.Lock()
	end, state, behind := a.written, a.state, a.committed < a.written
	a.mu.Unlock()
	if behind {
		if err := syncData(a.file); err != nil {
			// The kernel reports a lost page only once: a second sync would
			// succeed without it.
			a.syncFailed = true
			a.fail(err)
			return
		}
	}
	a.lock.recording.Lock()
	defer a.lock.recording.Unlock()
	err := a.checkNewest()
	if err == nil && behind {
		err = a.record(end, state)
	}
	if err != nil {
		a.fail(err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.committed = end
}

func (a *appendSession) record(end int64, state []byte) error {
	// Batch shares one sync among uploads that commit at the same time.
	return a.videos.db.bolt.Batch(a.videos.db.with(func(t tx) error {
		u, err := uploadRecords.get(t, a.id)
		if err != nil {
			return err
		}
		u.Offset, u.DigestState, u.Updated = end, state, time.Now()
		return uploadRecords.put(t, a.id, u)
	}))
}
