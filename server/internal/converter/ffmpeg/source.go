package ffmpeg

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// source serves a video with HTTP range requests on the loopback interface, so that
// ffmpeg can seek in it without a copy on disk. It requires a password, which only this
// process and ffmpeg know: for ffmpeg the server is a proxy, whose address is in the
// environment. Other users can see command lines, but neither the environment nor
// descriptors.
type source struct {
	port     int
	password string

	server  *http.Server
	serving sync.WaitGroup // the accept loop and the handlers

	served  atomic.Int64 // bytes read from video
	waiting atomic.Int32 // handlers that wait for video

	mu      sync.Mutex
	video   io.ReadSeeker
	at      int64 // the current offset of video
	patches []patch
	lists   []string // scripts for the concat demuxer
	size    int64
	err     error // the first error of video
	closed  bool
}

// serveSource starts a server for the video.
func serveSource(ctx context.Context, video io.ReadSeeker, size int64) (*source, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for ffmpeg: %w", err)
	}
	s := &source{
		port:     listener.Addr().(*net.TCPAddr).Port,
		password: rand.Text(), // 130 bits
		video:    video, at: -1, size: size,
	}
	s.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.admits(r) {
			w.Header().Set("Proxy-Authenticate", `Basic realm="video"`)
			w.Header().Set("Connection", "close") // another user's program keeps none open
			http.Error(w, "the password is wrong", http.StatusProxyAuthRequired)
			return
		}
		content := s.content(r.URL.Path)
		if content == nil {
			http.NotFound(w, r)
			return
		}
		if !s.enter() {
			panic(http.ErrAbortHandler)
		}
		defer s.serving.Done()
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, content)
	})}
	s.serving.Go(func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.fail(err)
		}
	})
	return s, nil
}

// patch replaces bytes of the video at an offset. It must be called before the video is
// served.
func (s *source) patch(at int64, b []byte) { s.patches = append(s.patches, patch{at, b}) }

type patch struct {
	at int64
	b  []byte
}

// host exists in no DNS zone (RFC 6761, 6.4). It is never resolved, because a proxy is used.
const host = "http://video.invalid/"

// url returns the URL of a part of the video, between two offsets.
func (s *source) url(base, end int64) string { return fmt.Sprintf("%s%d-%d", host, base, end) }

// listURL returns the URL of a script for ffmpeg's concat demuxer.
func (s *source) listURL(script string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists = append(s.lists, script)
	return fmt.Sprintf("%slist%d", host, len(s.lists)-1)
}

// content returns what has the path of a URL, or nil.
func (s *source) content(path string) io.ReadSeeker {
	var base, end int64
	var list int
	if n, err := fmt.Sscanf(path, "/%d-%d", &base, &end); err == nil && n == 2 && base >= 0 && base <= end && end <= s.size {
		return s.between(base, end)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Sscanf(path, "/list%d", &list); err == nil && list >= 0 && list < len(s.lists) {
		return strings.NewReader(s.lists[list])
	}
	return nil
}

const proxyUser = "ffmpeg"

// environment returns the variable with which ffmpeg finds the video.
func (s *source) environment() string {
	proxy := url.URL{Scheme: "http", User: url.UserPassword(proxyUser, s.password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))}
	return "http_proxy=" + proxy.String()
}

// admits reports whether the request has the password.
func (s *source) admits(r *http.Request) bool {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(proxyUser+":"+s.password))
	return subtle.ConstantTimeCompare([]byte(r.Header.Get("Proxy-Authorization")), []byte(want)) == 1
}

// between returns a reader of a part of the video, between two offsets.
func (s *source) between(base, end int64) *cursor { return &cursor{source: s, base: base, end: end} }

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

// busy implements command.busy for programs that only read the video.
func (s *source) busy() (done int64, alive bool) { return s.served.Load(), s.waiting.Load() == 0 }

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
	base int64 // offset in the video of what this reader has at 0
	end  int64 // offset in the video of its end
	pos  int64 // from base
}

// Seek implements io.Seeker.
func (c *cursor) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.pos
	case io.SeekEnd:
		offset += c.end - c.base
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
	from := c.base + c.pos
	if from >= c.end {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), c.end-from)]
	c.waiting.Add(1)
	defer c.waiting.Add(-1)
	if c.at != from {
		if _, err := c.video.Seek(from, io.SeekStart); err != nil {
			c.err = err
			return 0, err
		}
		c.at = from
	}
	n, err := c.video.Read(p)
	for _, x := range c.patches {
		for i, v := range x.b {
			if k := x.at + int64(i) - from; k >= 0 && k < int64(n) {
				p[k] = v
			}
		}
	}
	c.served.Add(int64(n))
	c.at += int64(n)
	c.pos += int64(n)
	switch {
	case errors.Is(err, io.EOF) && c.at < c.size:
		c.err = io.ErrUnexpectedEOF
	case err != nil && !errors.Is(err, io.EOF):
		c.err = err
		c.at = -1
	}
	return n, err
}
