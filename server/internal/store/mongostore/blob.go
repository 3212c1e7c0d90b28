package mongostore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/soundextract/sx/server/internal/store"
)

// readAhead is how many chunks are fetched in advance, once two consecutive chunks
// have been read.
const readAhead = 2

// blob reads a GridFS file chunk by chunk: the chunks of the range that is read,
// and at most readAhead beyond it.
type blob struct {
	ctx    context.Context //nolint:containedctx // by contract, the ctx of Open applies to all reads
	cancel context.CancelFunc
	bucket bucket
	file   string
	size   int64           // of the chunks that are read
	tail   []byte          // follows them
	chunk  int             // bytes of a full chunk
	epoch  func(n int) int // returns the epoch of the valid chunk n
	offset int64           // where the next Read starts
	window map[int]*fetch  // the current chunk and those fetched in advance
	last   int             // the chunk that was read last
	active sync.WaitGroup  // running fetches
}

// fetch is a chunk that has been fetched or is being fetched.
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
		window: map[int]*fetch{}, last: -1,
	}
}

func (b *blob) Size() int64 { return b.size + int64(len(b.tail)) }

func (b *blob) Read(p []byte) (int, error) {
	switch {
	case b.ctx.Err() != nil:
		return 0, b.ctx.Err()
	case len(p) == 0:
		return 0, nil
	case b.offset >= b.Size():
		return 0, io.EOF
	case b.offset >= b.size:
		k := copy(p, b.tail[b.offset-b.size:])
		b.offset += int64(k)
		return k, nil
	}
	n := int(b.offset / int64(b.chunk))
	data, err := b.get(n)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", b.file, err)
	}
	k := copy(p, data[b.offset-int64(n)*int64(b.chunk):])
	b.offset += int64(k)
	return k, nil
}

// get returns chunk n. It drops the chunks outside the window, and fetches the next
// ones in advance if the file is being read sequentially.
func (b *blob) get(n int) ([]byte, error) {
	to := n
	if n == b.last+1 && b.last >= 0 || n == b.last && len(b.window) > 1 {
		to = min(n+readAhead, chunkCount(b.size, b.chunk)-1)
	}
	for k := range b.window {
		if k < n || k > n+readAhead {
			delete(b.window, k)
		}
	}
	for k := n; k <= to; k++ {
		if b.window[k] == nil {
			b.window[k] = b.startFetch(k)
		}
	}
	b.last = n
	f := b.window[n]
	select {
	case <-f.done:
	case <-b.ctx.Done():
		return nil, b.ctx.Err()
	}
	if f.err != nil {
		delete(b.window, n) // so that the next Read retries
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

func (b *blob) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errNegative
	}
	before := b.offset
	defer func() { b.offset = before }()
	for b.offset = off; n < len(p) && err == nil; {
		var k int
		k, err = b.Read(p[n:])
		n += k
	}
	return n, err
}

var errNegative = errors.New("read: negative position")

func (b *blob) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += b.offset
	case io.SeekEnd:
		offset += b.Size()
	default:
		return 0, errors.New("seek: invalid whence")
	}
	if offset < 0 {
		return 0, errNegative
	}
	b.offset = offset
	return offset, nil
}

func (b *blob) Close() error {
	b.cancel()
	b.active.Wait()
	return nil
}
