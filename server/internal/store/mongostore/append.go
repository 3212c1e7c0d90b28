package mongostore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/digest"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// buffers is how many chunks of an Append are in memory: one is filled while
	// the others are being stored. If they arrive faster than they are stored, there are
	// up to maxBuffers, because an insert of many chunks takes the server less for each;
	// extraBuffers is how many more of them all Appends together may have.
	buffers, maxBuffers, extraBuffers = 3, 16, 64
	// A commit is due after this many chunks (16 MiB) and after this much time,
	// so that a crash loses little.
	commitChunks = 64
	commitEvery  = time.Second
	// maxUncommitted is an upper bound for the number of chunks that an Append has
	// stored but not committed.
	maxUncommitted = 2 * commitChunks
)

// Append fills chunks from src in this goroutine, while another one stores and
// commits them.
func (v *videos) Append(ctx context.Context, id string, offset int64, src io.Reader) (int64, error) {
	u, err := v.startAppend(ctx, id, offset)
	if err != nil {
		return 0, err
	}
	excess := func() error {
		return sx.NewError(sx.CodeOffsetConflict, "upload %s received more than its %d bytes", id, u.Size).
			WithHint("the file has changed since the upload started: upload it again")
	}
	if u.hasAllBytes() {
		if hasMore(ctx, src) {
			return 0, excess()
		}
		return 0, ctx.Err()
	}
	a, err := newAppendSession(v, u)
	if err != nil {
		return 0, err
	}
	// Bytes that have arrived are kept even if the request was interrupted.
	storeCtx := context.WithoutCancel(ctx)
	var storing sync.WaitGroup
	storing.Go(func() { a.store(storeCtx) })
	filled := a.fill(ctx, src)
	tooMuch := filled && hasMore(ctx, src)
	close(a.full)
	storing.Wait()
	v.extra.Release(int64(a.extra))
	a.finish(storeCtx)

	switch {
	case a.err != nil:
		return a.committed - offset, a.err
	case tooMuch:
		return a.committed - offset, excess()
	default:
		return a.committed - offset, ctx.Err()
	}
}

// startAppend makes this the newest Append of the upload.
func (v *videos) startAppend(ctx context.Context, id string, offset int64) (uploadDoc, error) {
	fence := func(ctx context.Context, u uploadDoc) error {
		return v.set(ctx, id, u.Rev, bson.D{{Key: "open", Value: u.Open}, {Key: "epochs", Value: u.Epochs}})
	}
	u, err := store.Update(ctx, id, v.load, fence, func(u *uploadDoc) error {
		switch {
		case u.Offset != offset:
			return sx.NewError(sx.CodeOffsetConflict, "upload %s has %d bytes, not %d", id, u.Offset, offset)
		case u.hasAllBytes():
			return store.ErrUnchanged // there is nothing to write
		}
		if u.Open {
			// The previous Append may still be writing, so this one must use other
			// chunk _ids.
			u.Epochs = append(u.Epochs, u.firstMissing())
		}
		u.Open = true
		return nil
	})
	if errors.Is(err, store.ErrUnchanged) {
		return u, nil
	}
	u.Rev++
	return u, err
}

// hasMore reports whether src has another byte.
func hasMore(ctx context.Context, src io.Reader) bool {
	var one [1]byte
	for ctx.Err() == nil {
		n, err := src.Read(one[:])
		if n > 0 || err != nil {
			return n > 0
		}
	}
	return false
}

// appendSession is one running Append. Chunks go through full from the goroutine
// that fills them to the one that stores them, and their buffers return through
// free.
type appendSession struct {
	videos *videos
	upload uploadDoc // as it was when the Append started
	full   chan []byte
	free   chan []byte

	mu      sync.Mutex
	filling int    // the number of the chunk that is being filled
	partial []byte // the bytes that it has so far
	failed  bool

	extra int // buffers in addition to the first ones; only fill changes it

	// The other fields belong to the goroutine that stores, and then to finish.
	rev       int64
	stored    int // chunks in the database
	hash      *digest.SHA256
	recorded  int // chunks that are committed
	committed int64
	closed    bool  // the record contains the end of this Append
	err       error // the first one
}

func newAppendSession(v *videos, u uploadDoc) (*appendSession, error) {
	h, err := digest.Resume(u.DigestState)
	if err != nil {
		return nil, err
	}
	next := u.firstMissing()
	a := &appendSession{
		videos: v, upload: u, full: make(chan []byte, maxBuffers), free: make(chan []byte, maxBuffers),
		filling: next, stored: next, recorded: next, hash: h, committed: u.Offset, rev: u.Rev,
	}
	for range buffers - 1 {
		a.free <- nil // allocated when it is needed
	}
	a.partial = append(make([]byte, 0, u.ChunkSize), u.Tail...)
	return a, nil
}

// length returns how many bytes chunk n has when it is full.
func (a *appendSession) length(n int) int {
	return int(min(int64(a.upload.ChunkSize), a.upload.Size-int64(n)*int64(a.upload.ChunkSize)))
}

// epoch is the one in which this Append writes.
func (a *appendSession) epoch() int { return len(a.upload.Epochs) - 1 }

// fill reads src until src or ctx ends, storing has failed, or the upload has all
// its bytes, which it reports.
func (a *appendSession) fill(ctx context.Context, src io.Reader) (filled bool) {
	buf, n, last := a.partial, a.filling, a.upload.chunks()-1
	for ctx.Err() == nil {
		k, err := src.Read(buf[len(buf):a.length(n)])
		buf = buf[:len(buf)+k]
		a.mu.Lock()
		a.partial = buf
		failed := a.failed
		a.mu.Unlock()
		if failed {
			return false
		}
		if len(buf) == a.length(n) {
			a.full <- buf
			if n == last {
				return true
			}
			n, buf = n+1, a.buffer()
			a.mu.Lock()
			a.filling, a.partial = n, buf
			a.mu.Unlock()
		}
		if err != nil {
			return false
		}
	}
	return false
}

// buffer returns an empty buffer: a new one if all that exist are being stored and there may
// be another.
func (a *appendSession) buffer() []byte {
	var buf []byte
	if len(a.free) == 0 && buffers+a.extra < maxBuffers && a.videos.extra.TryAcquire(1) {
		a.extra++
	} else {
		buf = <-a.free
	}
	if buf == nil {
		buf = make([]byte, 0, a.upload.ChunkSize)
	}
	return buf[:0]
}

// store stores full chunks until the channel is closed.
func (a *appendSession) store(ctx context.Context) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		var batch [][]byte
		select {
		case <-tick.C:
			a.commit(ctx, false)
			continue
		case data, open := <-a.full:
			if !open {
				return
			}
			batch = append(batch, data)
		}
		for len(a.full) > 0 {
			batch = append(batch, <-a.full)
		}
		a.insert(ctx, batch)
		for _, data := range batch {
			a.free <- data
		}
		if a.stored-a.recorded >= commitChunks {
			a.commit(ctx, false)
		}
	}
}

func (a *appendSession) fail(err error) {
	if a.err == nil {
		a.err = err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = true
}

// insert stores the next chunks. A place that is already occupied was either
// committed by a newer Append, which checkFence detects, or holds an uncommitted
// chunk of an older Append, which is deleted.
func (a *appendSession) insert(ctx context.Context, batch [][]byte) {
	if a.err != nil {
		return
	}
	const rounds = 10 // each is lost to another older Append that resumes
	chunks := make([]chunkDoc, len(batch))
	for i, data := range batch {
		n := a.stored + i
		chunks[i] = chunkDoc{ID: chunkID(a.upload.ID, a.epoch(), n), File: a.upload.ID, N: int32(n), Data: data}
	}
	// After an error the digest is not used: nothing more is committed.
	var hashing sync.WaitGroup
	hashing.Go(func() {
		for _, data := range batch {
			_, _ = a.hash.Write(data) // never fails
		}
	})
	defer hashing.Wait()
	for range rounds {
		occupied, err := a.videos.bucket.insert(ctx, chunks)
		if err == nil && len(occupied) == 0 {
			a.stored += len(batch)
			return
		}
		if err == nil {
			err = a.checkFence(ctx)
		}
		if err == nil {
			err = a.deleteStale(ctx, occupied)
		}
		if err != nil {
			a.fail(err)
			return
		}
		chunks = occupied
	}
	a.fail(fmt.Errorf("chunk %d of %s is still occupied", chunks[0].N, a.upload.ID))
}

// deleteStale deletes what this epoch and earlier ones may have stored at the
// places of the given chunks. However late that arrives, it can only delete
// uncommitted chunks: a place that this Append had yet to fill is filled for good
// by this epoch or a later one.
func (a *appendSession) deleteStale(ctx context.Context, places []chunkDoc) error {
	return a.videos.bucket.delete(ctx, func(yield func(bson.ObjectID) bool) {
		for _, c := range places {
			for e := range a.upload.Epochs {
				if !yield(chunkID(c.File, e, int(c.N))) {
					return
				}
			}
		}
	})
}

// commit records what is stored, if there is anything new. While full chunks
// arrive, only they are recorded; on a link too slow for that, and at the end of
// the Append, the tail is recorded too.
func (a *appendSession) commit(ctx context.Context, last bool) {
	if a.err != nil || a.closed {
		return
	}
	var tail []byte
	if last || a.stored == a.recorded {
		a.mu.Lock()
		if a.filling == a.stored && len(a.partial) < a.length(a.filling) {
			tail = a.partial // its bytes do not change any more; only more are appended
		}
		a.mu.Unlock()
	}
	offset := min(int64(a.stored)*int64(a.upload.ChunkSize), a.upload.Size) + int64(len(tail))
	if offset <= a.committed && !last {
		return
	}
	last = last || offset == a.upload.Size
	set := bson.D{{Key: "open", Value: !last}}
	if offset > a.committed {
		state, err := a.hash.State()
		if err != nil {
			a.fail(err)
			return
		}
		set = append(set, bson.D{
			{Key: "offset", Value: offset},
			{Key: "tail", Value: append([]byte{}, tail...)},
			{Key: "digest_state", Value: state},
			{Key: "updated", Value: a.videos.now()},
		}...)
	}
	if err := a.update(ctx, set); err != nil {
		a.fail(err)
		return
	}
	a.recorded, a.committed, a.closed = a.stored, max(offset, a.committed), last
}

// checkFence returns an error if this is no longer the newest Append. Only a
// write can tell: a read may be answered by a server that lags behind.
func (a *appendSession) checkFence(ctx context.Context) error {
	return a.update(ctx, bson.D{{Key: "open", Value: true}})
}

func (a *appendSession) update(ctx context.Context, set bson.D) error {
	err := a.videos.set(ctx, a.upload.ID, a.rev, set)
	switch {
	case errors.Is(err, store.ErrStale):
		return sx.NewError(sx.CodeOffsetConflict, "upload %s is being continued by a newer request", a.upload.ID)
	case err != nil:
		return err
	}
	a.rev++
	return nil
}

// finish commits the end of the Append. If it succeeds, no write of this Append
// is in flight any more, and the next one continues in the same epoch.
func (a *appendSession) finish(ctx context.Context) {
	a.commit(ctx, true)
	if sx.CodeOf(a.err) == sx.CodeOffsetConflict {
		a.discard(ctx)
	}
}

// discard deletes the chunks that this Append stored but did not commit. Those
// that cannot be deleted are harmless: the newer Append deletes what occupies its
// places.
func (a *appendSession) discard(ctx context.Context) {
	_ = a.videos.bucket.delete(ctx, func(yield func(bson.ObjectID) bool) {
		// An insertion that failed may have stored a batch, of at most buffers chunks.
		for n := a.recorded; n < min(a.stored+buffers, a.upload.chunks()); n++ {
			if !yield(chunkID(a.upload.ID, a.epoch(), n)) {
				return
			}
		}
	})
}
