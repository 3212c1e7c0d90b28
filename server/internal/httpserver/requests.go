package httpserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// openRequests counts the handlers at work. (A WaitGroup does not do: a request
// may begin while it is waited for.)
type openRequests struct {
	mu     sync.Mutex
	n      int
	closed bool
	none   chan struct{} // closed when closed is set and n is 0
}

// count wraps h, so that its requests are counted and their bodies end when
// the server drains.
func (o *openRequests) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.begin() {
			panic(http.ErrAbortHandler) // its connection is closed already
		}
		defer o.end()
		// A handler that waits for a slow client's next byte does not see its ctx.
		stop := context.AfterFunc(r.Context(), func() { stopReading(w, r) })
		defer stop()
		if r.Body != http.NoBody {
			// A shallow copy: a request from net/http is not to be changed.
			r = r.WithContext(r.Context())
			r.Body = drainingBody{r.Body, r.Context()}
		}
		h.ServeHTTP(w, r)
	})
}

// stopReading wakes a handler that waits for the body. When it is the client who
// has gone, the connection wakes it by itself.
func stopReading(w http.ResponseWriter, r *http.Request) {
	if draining(r.Context()) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
	}
}

// draining reports whether the request's ctx was ended by Server.
func draining(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), http.ErrServerClosed)
}

// drainingBody gives no more bytes once the server drains, even if the handler
// moves the read deadline that was set then.
type drainingBody struct {
	io.ReadCloser
	ctx context.Context //nolint:containedctx // the body is the request's, as is its ctx
}

func (b drainingBody) Read(p []byte) (int, error) {
	if draining(b.ctx) {
		return 0, os.ErrDeadlineExceeded
	}
	return b.ReadCloser.Read(p)
}

func (o *openRequests) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.n++
	}
	return !o.closed
}

func (o *openRequests) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n--
	if o.closed && o.n == 0 {
		close(o.none)
	}
}

// close lets no more requests begin; the channel is closed when none is open.
func (o *openRequests) close() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed = true; o.n == 0 {
		close(o.none)
	}
	return o.none
}
