package httpserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/soundextract/sx/server/internal/memory"
	"github.com/soundextract/sx/server/sx"
)

// Listen listens on the TCP address of the setting addr. It returns an *sx.Error of
// code invalid if that fails.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "cannot listen on %s: %v", addr, err).
			WithHint("choose another address with --addr; port 0 selects a free port")
	}
	return l, nil
}

const (
	headerTimeout = 10 * time.Second // against clients that send slowly (Slowloris)
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10 // bytes

	defaultDrainTimeout = 10 * time.Second
	// cancelDelay is how long requests may continue before their ctx is cancelled:
	// enough for all but transfers and event streams.
	cancelDelay = 500 * time.Millisecond
	// handlerTimeout is how long handlers may continue after their connections were
	// closed.
	handlerTimeout = 5 * time.Second
)

// Server serves HTTP on an open listener. Bodies have a deadline, unless their handler
// sets read deadlines, and so has each write; the time for a whole response is not
// limited, because downloads and event streams take hours.
type Server struct {
	Listener net.Listener // Run closes it
	Handler  http.Handler
	Health   *Health // not ready once Run's ctx has ended
	Log      *slog.Logger
	// DrainTimeout is how long open requests may continue; 0 means 10 s.
	DrainTimeout time.Duration
	// BodyTimeout is how long a body may take, plus a second for each 4 KiB of it; 0 means
	// 10 s. Requests with a slower body get the status 408.
	BodyTimeout time.Duration
	// MaxConnections bounds the open connections; 0 means 2048, or fewer in a container with
	// less than 512 MiB of memory. When there are more, those that have waited longest for a
	// request are closed.
	MaxConnections int
	// MaxPerAddress bounds the open connections from each client address (for IPv6, its
	// /48 network), except for those of this machine. Use 0, which means no limit, if the
	// clients are proxies or other services.
	MaxPerAddress int
}

// Run serves until ctx ends, then drains and returns nil. Draining means: the process
// is no longer ready, no new connection is accepted, and short requests complete.
// After half a second the ctx of open requests is cancelled (with the cause
// http.ErrServerClosed) and their bodies are no longer read, so that event streams end
// and uploads store what they have received. After DrainTimeout the connections are
// closed. When Run returns, all handlers have returned, except those that
// ignore even that. The only error is that of the listener.
func (s *Server) Run(ctx context.Context) error {
	base, cancelBase := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelBase(http.ErrServerClosed)
	open := &openRequests{none: make(chan struct{})}
	connections := newConnections(cmp.Or(s.MaxConnections, MaxConnections(memory.Limit())), s.MaxPerAddress, s.Log)
	srv := &http.Server{
		Handler:           open.count(withDeadlines(s.Handler, cmp.Or(s.BodyTimeout, defaultBodyTimeout))),
		ConnState:         connections.changed,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(s.Listener) }()
	select {
	case err := <-failed:
		_ = srv.Close()
		return fmt.Errorf("serve HTTP on %s: %w", s.Listener.Addr(), err)
	case <-ctx.Done():
	}
	s.drain(context.WithoutCancel(ctx), srv, open, cancelBase)
	return nil
}

func (s *Server) drain(ctx context.Context, srv *http.Server, open *openRequests, cancelBase context.CancelCauseFunc) {
	s.Health.Drain()
	timeout := s.DrainTimeout
	if timeout == 0 {
		timeout = defaultDrainTimeout
	}
	shutdownCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	end := time.AfterFunc(min(cancelDelay, timeout), func() { cancelBase(http.ErrServerClosed) })
	defer end.Stop()
	if err := srv.Shutdown(shutdownCtx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.Log.WarnContext(ctx, "closing the listener failed", "error", err)
	}
	_ = srv.Close()
	// Handlers without a connection may still store what they have received.
	select {
	case <-open.close():
	case <-time.After(handlerTimeout):
		s.Log.WarnContext(ctx, "handlers still running")
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
		h.ServeHTTP(w, r)
	})
}

// stopReading unblocks a handler that reads the body. If the client has closed the
// connection, the read has returned anyway.
func stopReading(w http.ResponseWriter, r *http.Request) {
	if draining(r.Context()) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
	}
}

// draining reports whether the Server cancelled the request's ctx.
func draining(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), http.ErrServerClosed)
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
