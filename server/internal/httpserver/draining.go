package httpserver

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	// idleGrace is how long clients may use their connections once the server drains. The
	// next response on each tells the client to close it, so that few of those that are in
	// use remain: closing one while a request arrives loses the request.
	idleGrace = time.Second
	// answerTime is how long before the end of the drain requests are cancelled, so that
	// they can still respond.
	answerTime = 2 * time.Second
	// lingerTime is how long closing a connection waits for a client that still receives.
	lingerTime = 30 * time.Second
	// handlerTimeout is how long handlers may continue after their connections were
	// closed: they may still store what they have received.
	handlerTimeout = 5 * time.Second
)

type drainKey struct{}

// Resumable returns the context for a request that its client resumes elsewhere, such as an
// event stream or the next bytes of an upload. It ends with ctx, the request's, and already
// when the Server starts to drain, with the cause http.ErrServerClosed. stop must be called.
func Resumable(ctx context.Context) (earlier context.Context, stop func()) {
	earlier, cancel := context.WithCancelCause(ctx)
	drain, ok := ctx.Value(drainKey{}).(context.Context)
	if !ok { // no Server
		return earlier, func() { cancel(nil) }
	}
	unwatch := context.AfterFunc(drain, func() { cancel(http.ErrServerClosed) })
	return earlier, func() { unwatch(); cancel(nil) }
}

func (s *Server) drainTimeout() time.Duration { return cmp.Or(s.DrainTimeout, defaultDrainTimeout) }

// drain ends a server whose listener is closed.
func (s *Server) drain(ctx context.Context, srv *http.Server, connections *connections, open *openRequests, cancelBase context.CancelCauseFunc) {
	timeout := s.drainTimeout()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	end := time.AfterFunc(max(timeout-answerTime, timeout/2), func() { cancelBase(http.ErrServerClosed) })
	defer end.Stop()
	none := connections.none()
	select {
	case <-none:
	case <-time.After(min(idleGrace, timeout)):
	}
	closed := connections.closeIdle() // Shutdown would close one after the other
	_ = srv.Shutdown(ctx)             // fails only when ctx ends
	// Shutdown does not wait for connections that are being closed.
	for _, ended := range []<-chan struct{}{closed, none} {
		select {
		case <-ended:
		case <-ctx.Done():
		}
	}
	connections.linger(-time.Second)
	_ = srv.Close()
	select {
	case <-open.close():
	case <-time.After(handlerTimeout):
		s.Log.WarnContext(context.WithoutCancel(ctx), "handlers still running")
	}
}

// draining reports whether the Server cancelled ctx, which is a request's or from Resumable.
func draining(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), http.ErrServerClosed)
}

// stopReading unblocks a handler that reads the body. If the client has closed the
// connection, the read has returned anyway.
func stopReading(w http.ResponseWriter, r *http.Request) {
	if draining(r.Context()) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
	}
}

// lastWriter tells the client to close the connection after a response whose header is sent
// while the Server drains.
type lastWriter struct {
	http.ResponseWriter

	ctx context.Context //nolint:containedctx // the response belongs to the request, like its ctx
}

// Unwrap lets http.ResponseController find the connection.
func (w *lastWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *lastWriter) WriteHeader(status int) {
	w.announce()
	w.ResponseWriter.WriteHeader(status)
}

func (w *lastWriter) Write(p []byte) (int, error) {
	w.announce()
	return w.ResponseWriter.Write(p)
}

// FlushError is called by http.ResponseController.
func (w *lastWriter) FlushError() error {
	w.announce()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// announce has no effect once the header is sent.
func (w *lastWriter) announce() {
	if drain, ok := w.ctx.Value(drainKey{}).(context.Context); ok && drain.Err() != nil {
		w.Header().Set("Connection", "close")
	}
}

// openRequests counts the running handlers. A sync.WaitGroup cannot be used,
// because requests may start during Wait.
type openRequests struct {
	mu     sync.Mutex
	n      int
	closed bool
	none   chan struct{} // closed when closed is set and n is 0
}

// count wraps h so that its requests are counted and blocked reads of their bodies end
// when the server drains.
func (o *openRequests) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.start() {
			panic(http.ErrAbortHandler) // the connection is already closed
		}
		defer o.end()
		// A handler that is blocked in a read does not notice that its ctx has ended.
		stop := context.AfterFunc(r.Context(), func() { stopReading(w, r) })
		defer stop()
		last := &lastWriter{w, r.Context()}
		defer last.announce() // net/http sends the header of an empty response
		h.ServeHTTP(last, r)
	})
}

func (o *openRequests) start() bool {
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

// close refuses new requests. The channel is closed when none is running.
func (o *openRequests) close() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed = true; o.n == 0 {
		close(o.none)
	}
	return o.none
}
