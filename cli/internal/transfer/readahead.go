package transfer

import (
	"context"
	"io"
	"sync"
)

// Reading ahead keeps a slow disk from limiting the network: the audio of a video lies in
// small ranges all over the file, and each may take a seek or a round trip to a file server.
const (
	blockSize = 512 << 10 // bytes
	blocks    = 8         // read at once
)

// readAhead is an io.Reader over a part of src whose next blocks are read in the
// background, several at once.
type readAhead struct {
	queue   chan *blockRead // in the order of the bytes
	current *blockRead
	rest    []byte
	free    chan []byte
	cancel  context.CancelFunc
	readers sync.WaitGroup
}

// blockRead is the read of one block; the fields are valid once done is closed.
type blockRead struct {
	done   chan struct{}
	buffer []byte
	err    error
}

// newReadAhead returns a reader of the n bytes of src at offset. The caller must call
// close.
func newReadAhead(ctx context.Context, src io.ReaderAt, offset, n int64) *readAhead {
	ctx, cancel := context.WithCancel(ctx)
	r := &readAhead{queue: make(chan *blockRead, blocks), free: make(chan []byte, blocks), cancel: cancel}
	for range min(blocks, (n+blockSize-1)/blockSize) {
		r.free <- nil // a buffer is allocated when it is needed
	}
	r.readers.Go(func() {
		defer close(r.queue)
		for at := offset; at < offset+n; at += blockSize {
			var buffer []byte
			select {
			case <-ctx.Done():
				return
			case buffer = <-r.free:
			}
			if buffer == nil {
				buffer = make([]byte, min(blockSize, n))
			}
			p := &blockRead{done: make(chan struct{}), buffer: buffer[:min(blockSize, offset+n-at)]}
			r.queue <- p // has space for all buffers
			r.readers.Go(func() {
				defer close(p.done)
				got, err := src.ReadAt(p.buffer, at)
				if got < len(p.buffer) {
					p.buffer, p.err = p.buffer[:got], cutShort(err)
				}
			})
		}
	})
	return r
}

// cutShort returns the error of a read that returned too few bytes with err.
func cutShort(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // ReadAt returns io.EOF itself
		return io.ErrUnexpectedEOF
	}
	return err
}

// Read implements io.Reader.
func (r *readAhead) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.current != nil {
			if r.current.err != nil {
				return 0, r.current.err
			}
			r.free <- r.current.buffer[:cap(r.current.buffer)]
			r.current = nil
		}
		next, ok := <-r.queue
		if !ok {
			return 0, io.EOF
		}
		<-next.done
		r.current, r.rest = next, next.buffer
		if len(r.rest) == 0 && next.err != nil {
			return 0, next.err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// close stops reading ahead and waits until src is no longer used.
func (r *readAhead) close() {
	r.cancel()
	r.readers.Wait()
}
