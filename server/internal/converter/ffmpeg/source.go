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

// source serves one video over HTTP ranges on the loopback interface, so that
// ffmpeg can seek in it without a copy on disk. Its address holds a secret.
type source struct {
	URL string

	server  *http.Server
	serving sync.WaitGroup // the accept loop and the handlers

	mu     sync.Mutex
	video  io.ReadSeeker
	at     int64 // where video stands
	size   int64
	err    error // the first error of video
	closed bool
}

// serve starts to serve the video.
func serve(ctx context.Context, video io.ReadSeeker, size int64) (*source, error) {
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

// enter counts a handler in, unless the source is closed.
func (s *source) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.serving.Add(1)
	return true
}

// Close stops serving. The video is not read any more when it returns.
func (s *source) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.server.Close() //nolint:errcheck // closing the listener cannot fail in a way that matters here
	s.serving.Wait()
}

// Err is the first error that the video's reader gave, if any.
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

// Position is the share of the video, from 0 to 1, before which ffmpeg reads now.
func (s *source) Position() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(max(s.at, 0)) / float64(max(s.size, 1))
}

// cursor reads the video for one request. Requests overlap when ffmpeg seeks:
// it opens the new one before the server has noticed the old one's end.
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
