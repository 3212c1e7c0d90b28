package mongostore

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/sx"
)

// appendSession is one Append at work. Chunks go from the goroutine that fills them
// through full to the one that stores them, and their buffers come back through
// free.
type appendSession struct {
	videos *videos
	upload uploadDoc // as the Append began it
	full   chan []byte
	free   chan []byte

	mu      sync.Mutex
	filling int    // the number of the chunk that is being filled
	partial []byte // what it has so far
	failed  bool

	// The rest belongs to the goroutine that stores, and after it to finish.
	rev       int64
	stored    int // chunks that are in the database
	hash      digest
	recorded  int // chunks that are committed
	committed int64
	closed    bool  // the record says that this Append is done
	err       error // the first one
}

func newAppendSession(v *videos, u uploadDoc) (*appendSession, error) {
	h, err := unmarshal(u.State)
	if err != nil {
		return nil, err
	}
	p := &appendSession{
		videos: v, upload: u, full: make(chan []byte, buffers), free: make(chan []byte, buffers),
		filling: u.next(), stored: u.next(), recorded: u.next(), hash: h, committed: u.Offset, rev: u.Rev,
	}
	for range buffers - 1 {
		p.free <- nil // made when it is needed
	}
	p.partial = append(make([]byte, 0, u.ChunkSize), u.Tail...)
	return p, nil
}

// length is how many bytes chunk n has when it is full.
func (p *appendSession) length(n int) int {
	return int(min(int64(p.upload.ChunkSize), p.upload.Size-int64(n)*int64(p.upload.ChunkSize)))
}

// fill reads src until it or ctx ends, storing has failed, or the upload is
// whole.
func (p *appendSession) fill(ctx context.Context, src io.Reader) (whole bool) {
	buf, n, last := p.partial, p.filling, p.upload.chunks()-1
	for ctx.Err() == nil {
		k, err := src.Read(buf[len(buf):p.length(n)])
		buf = buf[:len(buf)+k]
		p.mu.Lock()
		p.partial = buf
		failed := p.failed
		p.mu.Unlock()
		if failed {
			return false
		}
		if len(buf) == p.length(n) {
			p.full <- buf
			if n == last {
				return true
			}
			if buf = <-p.free; buf == nil {
				buf = make([]byte, 0, p.upload.ChunkSize)
			}
			n, buf = n+1, buf[:0]
			p.mu.Lock()
			p.filling, p.partial = n, buf
			p.mu.Unlock()
		}
		if err != nil {
			return false
		}
	}
	return false
}

// store takes full chunks until there are no more.
func (p *appendSession) store(ctx context.Context) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		var batch [][]byte
		select {
		case <-tick.C:
			p.commit(ctx, false)
			continue
		case data, more := <-p.full:
			if !more {
				return
			}
			batch = append(batch, data)
		}
		for len(p.full) > 0 {
			batch = append(batch, <-p.full)
		}
		p.insert(ctx, batch)
		for _, data := range batch {
			p.free <- data
		}
		if p.stored-p.recorded >= commitChunks {
			p.commit(ctx, false)
		}
	}
}

func (p *appendSession) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = true
}

// insert stores the chunks that come next. One that is in the way is not
// committed, unless by a newer Append: that is what the check of the fence
// finds out. Otherwise an older one left it, and it goes.
func (p *appendSession) insert(ctx context.Context, batch [][]byte) {
	if p.err != nil {
		return
	}
	const rounds = 10 // each one is lost to another older Append that wakes up
	chunks := make([]chunkDoc, len(batch))
	epoch := len(p.upload.Epochs) - 1
	for i, data := range batch {
		n := p.stored + i
		chunks[i] = chunkDoc{ID: chunkID(p.upload.ID, epoch, n), File: p.upload.ID, N: int32(n), Data: data}
	}
	for range rounds {
		taken, err := p.videos.bucket.insert(ctx, chunks)
		if err == nil && len(taken) == 0 {
			for _, data := range batch {
				p.hash.Write(data)
			}
			p.stored += len(batch)
			return
		}
		if err == nil {
			err = p.check(ctx)
		}
		if err == nil {
			err = p.clear(ctx, taken)
		}
		if err != nil {
			p.fail(err)
			return
		}
		chunks = taken
	}
	p.fail(fmt.Errorf("chunk %d of %s stays in the way", chunks[0].N, p.upload.ID))
}

// clear deletes what this epoch and the earlier ones may have at the places.
// However late that arrives, it can only hit chunks that do not count: a place
// that this Append had yet to fill is filled for good by this or a later epoch.
func (p *appendSession) clear(ctx context.Context, places []chunkDoc) error {
	return p.videos.bucket.delete(ctx, func(yield func(bson.ObjectID) bool) {
		for _, c := range places {
			for e := range p.upload.Epochs {
				if !yield(chunkID(c.File, e, int(c.N))) {
					return
				}
			}
		}
	})
}

// commit records what is stored, if there is anything new. While full chunks
// come in they are enough; a link too slow for that has its tail recorded too,
// and so has the end of the Append.
func (p *appendSession) commit(ctx context.Context, last bool) {
	if p.err != nil || p.closed {
		return
	}
	var tail []byte
	if last || p.stored == p.recorded {
		p.mu.Lock()
		if p.filling == p.stored && len(p.partial) < p.length(p.filling) {
			tail = p.partial // what it has does not change any more; only its end moves
		}
		p.mu.Unlock()
	}
	offset := min(int64(p.stored)*int64(p.upload.ChunkSize), p.upload.Size) + int64(len(tail))
	if offset <= p.committed && !last {
		return
	}
	last = last || offset == p.upload.Size
	set := bson.D{{Key: "open", Value: !last}}
	if offset > p.committed {
		state, err := marshal(p.hash)
		if err != nil {
			p.fail(err)
			return
		}
		set = append(set, bson.D{
			{Key: "offset", Value: offset},
			{Key: "tail", Value: append([]byte{}, tail...)},
			{Key: "state", Value: state},
			{Key: "updated", Value: p.videos.now()},
		}...)
	}
	if err := p.change(ctx, set); err != nil {
		p.fail(err)
		return
	}
	p.recorded, p.committed, p.closed = p.stored, max(offset, p.committed), last
}

// check finds out whether this still is the newest Append. Only a write can: a
// read may come from a server that is behind.
func (p *appendSession) check(ctx context.Context) error {
	return p.change(ctx, bson.D{{Key: "open", Value: true}})
}

func (p *appendSession) change(ctx context.Context, set bson.D) error {
	set = append(set, bson.E{Key: "rev", Value: p.rev + 1})
	matched, err := p.videos.uploads.update(ctx, atRev(p.upload.ID, p.rev), bson.D{{Key: "$set", Value: set}})
	switch {
	case err != nil:
		return err
	case !matched:
		return sx.NewError(sx.CodeOffsetConflict, "upload %s is being continued by a newer request", p.upload.ID)
	}
	p.rev++
	return nil
}

// finish commits the end of the piece. Without an error nothing of this Append
// is on its way any more, and the next one goes on in the same epoch.
func (p *appendSession) finish(ctx context.Context) {
	p.commit(ctx, true)
	if sx.CodeOf(p.err) == sx.CodeOffsetConflict {
		p.discard(ctx)
	}
}

// discard deletes what this Append stored in vain. What fails here is only
// rubbish, which is in nobody's way for long.
func (p *appendSession) discard(ctx context.Context) {
	epoch := len(p.upload.Epochs) - 1
	_ = p.videos.bucket.delete(ctx, func(yield func(bson.ObjectID) bool) {
		for n := p.recorded; n < min(p.recorded+uncommitted, p.upload.chunks()); n++ {
			if !yield(chunkID(p.upload.ID, epoch, n)) {
				return
			}
		}
	})
}
