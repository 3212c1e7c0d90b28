package mongostore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/soundextract/sx/server/internal/store"
)

// ahead is how many chunks are fetched before they are asked for, once two in a
// row were.
const readAhead = 2

// blob reads a GridFS file chunk by chunk: those that a range needs, and no more
// than ahead beyond it.
type blob struct {
	ctx    context.Context //nolint:containedctx // the port says that Open's ctx bounds the reads
	cancel context.CancelFunc
	bucket bucket
	file   string
	size   int64
	chunk  int             // bytes of a full one
	epoch  func(n int) int // whose chunk n counts
	at     int64           // where the next Read begins
	held   map[int]*fetch  // the chunk at hand and those ahead
	last   int             // the chunk that was read last
	active sync.WaitGroup  // fetches
}

// fetch is a chunk that is here or on its way.
type fetch struct {
	done chan struct{}
	data []byte
	err  error
}

var _ store.Blob = (*blob)(nil)

func newBlob(ctx context.Context, b bucket, file string, size int64, chunk int, epoch func(int) int) *blob {
	ctx, cancel := context.WithCancel(ctx)
	return &blob{
		ctx: ctx, cancel: cancel, bucket: b, file: file, size: size, chunk: chunk, epoch: epoch,
		held: map[int]*fetch{}, last: -1,
	}
}

func (b *blob) Size() int64 { return b.size }

func (b *blob) Read(p []byte) (int, error) {
	switch {
	case b.ctx.Err() != nil:
		return 0, b.ctx.Err()
	case len(p) == 0:
		return 0, nil
	case b.at >= b.size:
		return 0, io.EOF
	}
	n := int(b.at / int64(b.chunk))
	data, err := b.get(n)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", b.file, err)
	}
	k := copy(p, data[b.at-int64(n)*int64(b.chunk):])
	b.at += int64(k)
	return k, nil
}

// get gives chunk n, lets go of those that lie elsewhere, and sends for the next
// ones when the file is being read in order.
func (b *blob) get(n int) ([]byte, error) {
	to := n
	if n == b.last+1 && b.last >= 0 || n == b.last && len(b.held) > 1 {
		to = min(n+readAhead, chunkCount(b.size, b.chunk)-1)
	}
	for k := range b.held {
		if k < n || k > n+readAhead {
			delete(b.held, k)
		}
	}
	for k := n; k <= to; k++ {
		if b.held[k] == nil {
			b.held[k] = b.startFetch(k)
		}
	}
	b.last = n
	f := b.held[n]
	select {
	case <-f.done:
	case <-b.ctx.Done():
		return nil, b.ctx.Err()
	}
	if f.err != nil {
		delete(b.held, n) // the next Read tries again
	}
	return f.data, f.err
}

func (b *blob) startFetch(n int) *fetch {
	f := &fetch{done: make(chan struct{})}
	size := int(min(int64(b.chunk), b.size-int64(n)*int64(b.chunk)))
	b.active.Go(func() {
		defer close(f.done)
		f.data, f.err = b.bucket.read(b.ctx, b.file, b.epoch(n), n, size)
	})
	return f
}

func (b *blob) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	default:
		return 0, errors.New("seeking from nowhere")
	}
	if offset < 0 {
		return 0, errors.New("seeking before the beginning")
	}
	b.at = offset
	return offset, nil
}

func (b *blob) Close() error {
	b.cancel()
	b.active.Wait()
	return nil
}
