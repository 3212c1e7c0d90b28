package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // client-go has its types in the signatures of its port-forward

	"github.com/soundextract/sx/server/sx"
)

// frame is the maximum number of bytes of one write, so that a large one is not
// buffered as a whole.
const frame = 32 << 10

// failureTimeout bounds the wait for the reason why a connection ended.
const failureTimeout = 100 * time.Millisecond

// conn is a connection to one port of one pod.
type conn struct {
	tunnel httpstream.Connection
	data   httpstream.Stream
	remote addr

	close   func()
	closed  atomic.Bool
	expired atomic.Bool
	failed  chan struct{} // closed once failure is set
	failure string        // the error that the kubelet reports, "" is none

	mu    sync.Mutex
	timer [2]*time.Timer // of the deadlines to read and to write
}

func newConn(tunnel httpstream.Connection, data, failures httpstream.Stream, pod string, port int) *conn {
	c := &conn{tunnel: tunnel, data: data, remote: addr(fmt.Sprintf("%s:%d", pod, port)), failed: make(chan struct{})}
	// Closing sends frames, which a stuck connection would block.
	c.close = sync.OnceFunc(func() { go func() { _ = tunnel.Close() }() })
	go func() {
		defer close(c.failed)
		const limit = 4 << 10
		text, _ := io.ReadAll(io.LimitReader(failures, limit))
		if c.failure = strings.TrimSpace(string(text)); c.failure != "" {
			c.close() // no data follows
		}
	}()
	return c
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.data.Read(p)
	return n, c.explain(err)
}

func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		n, err := c.data.Write(p[written:min(written+frame, len(p))])
		if written += n; err != nil {
			return written, c.explain(err)
		}
		if written == len(p) {
			return written, nil
		}
	}
}

// explain returns the reason why the connection ended.
func (c *conn) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case c.expired.Load():
		return os.ErrDeadlineExceeded
	case c.closed.Load():
		return net.ErrClosed
	}
	select {
	case <-c.failed:
	case <-time.After(failureTimeout): // the pod closed the connection, and nothing failed
	}
	select {
	case <-c.failed:
		if c.failure != "" {
			return sx.NewError(sx.CodeUnavailable, "the pod %s does not respond: %s", c.remote, c.failure).WithCause(err)
		}
	default:
	}
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return err
}

func (c *conn) Close() error {
	c.closed.Store(true)
	_ = c.SetDeadline(time.Time{})
	c.close()
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return addr("port-forward") }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline closes the whole connection at the given time.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline is SetDeadline with a separate timer.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setTimer(0, t) }

// SetWriteDeadline is SetDeadline with a separate timer.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setTimer(1, t) }

func (c *conn) setTimer(which int, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer[which] != nil {
		c.timer[which].Stop()
		c.timer[which] = nil
	}
	if !t.IsZero() {
		c.timer[which] = time.AfterFunc(time.Until(t), func() {
			c.expired.Store(true)
			c.close()
		})
	}
	return nil
}

// addr is an end of a connection: PODNAME:PORT.
type addr string

// Network is always port-forward.
func (addr) Network() string  { return "port-forward" }
func (a addr) String() string { return string(a) }
