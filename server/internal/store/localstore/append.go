package localstore

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/soundextract/sx/server/sx"
)

const (
	// A commit is due after so many bytes, so that syncing the disk overlaps
	// with receiving, and after so much time, so that a slow link loses little.
	commitBytes = 16 << 20
	commitEvery = 2 * time.Second
	// bufferSize is all the memory that an Append needs for its bytes.
	bufferSize = 128 << 10
)

// Append reads, writes and hashes, while a second goroutine commits. Bytes count
// as stored once they are synced and then recorded together with the digest's
// state. What comes in meanwhile waits in the connection's own buffers: another
// goroutine for reading costs more in being woken than it saves.
func (v *videos) Append(ctx context.Context, id string, offset int64, src io.Reader) (int64, error) {
	l := v.acquireLock(id)
	defer v.releaseLock(id, l)
	p, err := v.startAppend(ctx, l, id, offset)
	if err != nil {
		return 0, err
	}
	defer func() { _ = p.file.Close() }() // what counts is synced by commit

	buf := v.buffers.Get().(*[bufferSize]byte)
	defer v.buffers.Put(buf)
	stop := make(chan struct{})
	var committing sync.WaitGroup
	committing.Go(func() { p.commitLoop(stop) })

	excess := p.copy(ctx, src, buf[:])
	close(stop)
	committing.Wait()
	p.commit()

	stored, err := p.result()
	switch {
	case err != nil:
		return stored, wrapError("appending to a video", err)
	case excess:
		return stored, sx.NewError(sx.CodeOffsetConflict, "upload %s got more than its %d bytes", id, p.size).
			WithHint("the file has changed since the upload began: upload it again")
	default:
		return stored, ctx.Err()
	}
}

// startAppend makes this the newest Append of the upload and brings its file to the
// recorded offset.
func (v *videos) startAppend(ctx context.Context, l *uploadLock, id string, offset int64) (*appendSession, error) {
	defer l.lock()()
	const doing = "beginning to append"
	var u upload
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
	h, err := unmarshal(u.State)
	if err != nil {
		return nil, err
	}
	f, err := openAt(v.path(id), offset)
	if err != nil {
		return nil, wrapError(doing, err)
	}
	l.newest++
	return &appendSession{
		videos: v, lock: l, id: id, number: l.newest, file: f, size: u.Size, start: offset,
		hash: h, state: u.State, written: offset, committed: offset, commitDue: make(chan struct{}, 1),
	}, nil
}

// openAt opens the file for writing and cuts off what is beyond the offset.
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

// copy stores what src gives as soon as it gives it, until src or ctx ends, the
// upload has all its bytes, or the piece has failed. excess says that src had more.
func (p *appendSession) copy(ctx context.Context, src io.Reader, buf []byte) (excess bool) {
	left := p.size - p.start
	for ctx.Err() == nil && !p.failed() {
		n, err := src.Read(buf)
		if excess = int64(n) > left; excess {
			n = int(left)
		}
		left -= int64(n)
		p.write(buf[:n])
		if err != nil || excess {
			break
		}
	}
	return excess
}
