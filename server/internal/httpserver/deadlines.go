package httpserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

const (
	// defaultBodyTimeout is how long a body may take, plus a second for each bodyRate
	// bytes that have arrived.
	defaultBodyTimeout = 10 * time.Second
	bodyRate           = 4 << 10
	// writeTimeout bounds each write to a client: a download may take hours, but a
	// client that stops reading is disconnected.
	writeTimeout = 30 * time.Second
)

var errSlowBody = sx.NewError(sx.CodeUnavailable, "the request body did not arrive in time").
	WithHint("check the connection, then send the request again")

// withDeadlines wraps h so that bodies and responses have deadlines. A handler that sets
// read or write deadlines itself, for a body or a response of any length, is responsible
// for them. Once the server drains, bodies end, whatever sets the deadlines.
func withDeadlines(h http.Handler, bodyTimeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := &deadlineWriter{ResponseWriter: w, control: http.NewResponseController(w)}
		// The deadlines of the connection's previous request may have expired.
		out.extend()
		defer out.extend() // for what is still buffered
		if r.Body != http.NoBody {
			out.body = &deadlineBody{
				src: r.Body, ctx: r.Context(), control: out.control, start: time.Now(), timeout: bodyTimeout,
			}
			// The handler may respond without reading the body. net/http then reads it.
			out.body.setDeadline()
			r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, out.body))
			r.Body = out.body
		}
		h.ServeHTTP(out, r)
	})
}

// deadlineWriter sets a deadline for each write.
type deadlineWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	body    *deadlineBody // nil without a body
	own     bool          // the handler sets write deadlines itself
}

// Unwrap lets http.ResponseController find the connection.
func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *deadlineWriter) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// FlushError is called by http.ResponseController.
func (w *deadlineWriter) FlushError() error {
	w.extend()
	return w.control.Flush()
}

// extend ignores the error: the write fails too.
func (w *deadlineWriter) extend() {
	if !w.own {
		_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
}

// SetWriteDeadline is called by http.ResponseController, for a handler.
func (w *deadlineWriter) SetWriteDeadline(t time.Time) error {
	w.own = true
	return w.control.SetWriteDeadline(t)
}

// SetReadDeadline is called by http.ResponseController, for a handler.
func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	if w.body != nil {
		w.body.leave()
	}
	return w.control.SetReadDeadline(t)
}

type bodyKey struct{}

// deadlineBody is the body of a request. If it does not arrive in time, reading it
// fails, and SlowBody has the error.
type deadlineBody struct {
	src     io.ReadCloser
	ctx     context.Context //nolint:containedctx // the body belongs to the request, like its ctx
	control *http.ResponseController
	start   time.Time
	timeout time.Duration

	mu       sync.Mutex
	received int64
	left     bool // the handler sets the deadlines
	slow     bool
}

func (b *deadlineBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	b.setDeadline()
	b.mu.Unlock()
	if draining(b.ctx) { // checked last, because stopReading sets the deadline too
		return 0, os.ErrDeadlineExceeded
	}
	n, err := b.src.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received += int64(n)
	switch {
	case b.left:
	case errors.Is(err, io.EOF):
		// A deadline that expires from now on would cancel the request's ctx, because
		// net/http reads from the connection in the background.
		_ = b.control.SetReadDeadline(time.Time{})
		b.left = true
	case errors.Is(err, os.ErrDeadlineExceeded) && !draining(b.ctx):
		b.slow = true
		return n, errSlowBody.WithCause(err)
	}
	return n, err
}

func (b *deadlineBody) Close() error { return b.src.Close() }

// setDeadline ignores the error: a connection without deadlines is closed.
func (b *deadlineBody) setDeadline() {
	if !b.left {
		_ = b.control.SetReadDeadline(b.start.Add(b.timeout + time.Duration(b.received)*time.Second/bodyRate))
	}
}

// leave leaves the deadlines to the handler.
func (b *deadlineBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = true
}

// SlowBody reports whether the body of the request that ctx belongs to did not arrive in
// time. ctx has then ended, which is why handlers see other errors.
func SlowBody(ctx context.Context) bool {
	b, ok := ctx.Value(bodyKey{}).(*deadlineBody)
	if !ok {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.slow
}

// RefuseSlowBody responds with the status 408 if SlowBody(ctx), and otherwise returns
// false.
func RefuseSlowBody(ctx context.Context, w http.ResponseWriter) bool {
	if !SlowBody(ctx) {
		return false
	}
	w.Header().Set("Connection", "close") // RFC 9110 section 15.5.9
	api.Write(w, http.StatusRequestTimeout, api.ErrorBody{Error: api.FromError(errSlowBody)})
	return true
}
