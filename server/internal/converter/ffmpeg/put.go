package ffmpeg

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// storeError is the error of storing the MP3.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }

// put stores the MP3 with the number as it is produced. It calls head once there are bytes.
func (c *conversion) put(number int, head func() store.Head, produce func(io.Writer) error) error {
	r, w := io.Pipe()
	first := &firstWrite{Writer: w, done: make(chan struct{})}
	produced := make(chan error, 1)
	go func() {
		// Frames are small, and each write through the pipe wakes the goroutine
		// that stores.
		buffered := bufio.NewWriterSize(first, 64<<10)
		err := produce(&limitedWriter{w: buffered, left: c.cfg.MaxOutput})
		if err == nil {
			err = buffered.Flush()
		}
		w.CloseWithError(err)
		produced <- err
	}()
	select {
	case <-first.done:
	case err := <-produced:
		if err == nil {
			err = errors.New("the MP3 is empty")
		}
		return err
	}
	storeErr := c.output.Put(number, head(), r)
	r.CloseWithError(&storeError{errors.Join(storeErr, io.ErrClosedPipe)})
	if err := <-produced; err != nil && !errors.As(err, new(*storeError)) {
		return err
	}
	return storeErr
}

// firstWrite closes done at the first write.
type firstWrite struct {
	io.Writer
	once sync.Once
	done chan struct{}
}

// Write implements io.Writer.
func (f *firstWrite) Write(p []byte) (int, error) {
	f.once.Do(func() { close(f.done) })
	return f.Writer.Write(p)
}

// limitedWriter limits the size of an MP3.
type limitedWriter struct {
	w    io.Writer
	left int64
}

// Write implements io.Writer.
func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, sx.NewError(sx.CodeOutputLimit, "the MP3 would be too large")
	}
	return l.w.Write(p)
}
