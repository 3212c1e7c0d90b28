package mongostore

import (
	"context"
	"io"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/sx"
)

const (
	// buffers is how many chunks of an Append are in memory: one fills while
	// the others are being stored.
	buffers = 3
	// A commit is due after so many chunks (16 MiB) and after so much time, so
	// that a crash loses little.
	commitChunks = 64
	commitEvery  = 2 * time.Second
	// uncommitted is more chunks than an Append ever has stored and not
	// committed.
	uncommitted = 2 * commitChunks
)

// Append fills chunks from src in this goroutine, while another one stores and
// commits them.
func (v *videos) Append(ctx context.Context, id string, offset int64, src io.Reader) (int64, error) {
	u, err := v.startAppend(ctx, id, offset)
	if err != nil {
		return 0, err
	}
	excess := func() error {
		return sx.NewError(sx.CodeOffsetConflict, "upload %s got more than its %d bytes", id, u.Size).
			WithHint("the file has changed since the upload began: upload it again")
	}
	if u.complete() {
		if more(ctx, src) {
			return 0, excess()
		}
		return 0, ctx.Err()
	}
	p, err := newAppendSession(v, u)
	if err != nil {
		return 0, err
	}
	// What has arrived is kept, above all when the request was broken off.
	lasting := context.WithoutCancel(ctx)
	var storing sync.WaitGroup
	storing.Go(func() { p.store(lasting) })
	whole := p.fill(ctx, src)
	excessive := whole && more(ctx, src)
	close(p.full)
	storing.Wait()
	p.finish(lasting)

	switch {
	case p.err != nil:
		return p.committed - offset, p.err
	case excessive:
		return p.committed - offset, excess()
	default:
		return p.committed - offset, ctx.Err()
	}
}

// startAppend makes this the newest Append of the upload.
func (v *videos) startAppend(ctx context.Context, id string, offset int64) (uploadDoc, error) {
	for {
		u, err := v.load(ctx, id)
		switch {
		case err != nil:
			return u, err
		case u.Offset != offset:
			return u, offsetConflict(id, u.Offset, offset)
		case u.complete():
			return u, nil // there is nothing to win
		}
		before := u.Rev
		u.Rev++
		if u.Open {
			// The one before may still be writing: its chunks are not this one's.
			u.Epochs = append(u.Epochs, u.next())
		}
		u.Open = true
		matched, err := v.uploads.update(ctx, atRev(id, before), bson.D{{Key: "$set", Value: bson.D{
			{Key: "rev", Value: u.Rev}, {Key: "open", Value: true}, {Key: "epochs", Value: u.Epochs},
		}}})
		if err != nil || matched {
			return u, err
		}
	}
}

// more reports whether src gives another byte.
func more(ctx context.Context, src io.Reader) bool {
	var one [1]byte
	for ctx.Err() == nil {
		n, err := src.Read(one[:])
		if n > 0 || err != nil {
			return n > 0
		}
	}
	return false
}
