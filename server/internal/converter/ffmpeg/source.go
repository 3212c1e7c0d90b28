package ffmpeg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// source serves a video with HTTP range requests on the loopback interface, so that
// ffmpeg can seek in it without a copy on disk. Its URL contains a secret.
type source struct {
	URL string

	server  *http.Server
	serving sync.WaitGroup // the accept loop and the handlers

	mu     sync.Mutex
	video  io.ReadSeeker
	at     int64 // the current offset of video
	size   int64
	err    error // the first error of video
	closed bool
}

// serveSource starts a server for the video.
func serveSource(ctx context.Context, video io.ReadSeeker, size int64) (*source, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for ffmpeg: %w", err)
	}
	path := "/" + rand.Text() // 130 bits
	s := &source{URL: "http://" + listener.Addr().String() + path, video: video, at: -1, size: size}
	s.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		if !s.enter() {
			panic(http.ErrAbortHandler)
		}
		defer s.serving.Done()
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, &cursor{source: s})
	})}
	s.serving.Go(func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.fail(err)
		}
	})
	return s, nil
}

// enter counts a running handler. It returns false if the source is closed.
func (s *source) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.serving.Add(1)
	return true
}

// reader returns a reader of the video for this process.
func (s *source) reader() io.ReadSeeker { return &cursor{source: s} }

// Close stops the server. After it has returned, the video is no longer read.
func (s *source) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.server.Close() //nolint:errcheck // an error of closing the listener does not matter
	s.serving.Wait()
}

// Err returns the first error of the video's reader, if any.
func (s *source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

// Position returns the current offset as a fraction of the size, from 0 to 1.
func (s *source) Position() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(max(s.at, 0)) / float64(max(s.size, 1))
}

// cursor reads the video for one request. Requests overlap when ffmpeg seeks, because it
// sends the new one before the server has noticed the end of the old one.
type cursor struct {
	*source
	pos int64
}

// Seek implements io.Seeker.
func (c *cursor) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.pos
	case io.SeekEnd:
		offset += c.size
	}
	c.pos = offset
	return offset, nil
}

// Read implements io.Reader.
func (c *cursor) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.err != nil {
		return 0, http.ErrAbortHandler
	}
	if c.at != c.pos {
		if _, err := c.video.Seek(c.pos, io.SeekStart); err != nil {
			c.err = err
			return 0, err
		}
		c.at = c.pos
	}
	n, err := c.video.Read(p)
	c.at += int64(n)
	c.pos = c.at
	switch {
	case errors.Is(err, io.EOF) && c.pos < c.size:
		c.err = io.ErrUnexpectedEOF
	case err != nil && !errors.Is(err, io.EOF):
		c.err = err
		c.at = -1
	}
	return n, err
}
