package httpserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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
)

// Server serves HTTP on an open listener. Bodies have a deadline, unless their handler
// sets read deadlines, and so has each write; the time for a whole response is not
// limited, because downloads and event streams take hours.
type Server struct {
	Listener net.Listener // Run closes it
	Handler  http.Handler
	Health   *Health // not ready once Run's ctx has ended
	Log      *slog.Logger
	// DrainTimeout is how long open requests may continue once Run's ctx has ended; 0 means
	// 10 s.
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

// Run serves until ctx ends, then drains and returns nil. Draining means: the process is no
// longer ready, no new connection is accepted, requests that a client resumes (see Resumable)
// end, and all others complete. Shortly before DrainTimeout the ctx of those that have not is
// cancelled (with the cause http.ErrServerClosed) and their bodies are no longer read, so that
// they can still respond; then the connections are closed. When Run returns, all handlers have
// returned, except those that ignore even that. The only error is that of the listener.
func (s *Server) Run(ctx context.Context) error {
	base, cancelBase := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelBase(http.ErrServerClosed)
	draining, startDrain := context.WithCancel(base)
	defer startDrain()
	base = context.WithValue(base, drainKey{}, draining)
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
	s.Health.Drain()
	_ = s.Listener.Close()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		s.Log.WarnContext(ctx, "closing the listener failed", "error", err)
	}
	connections.linger(min(lingerTime, s.drainTimeout())) // before responses close any
	startDrain()
	s.drain(context.WithoutCancel(ctx), srv, connections, open, cancelBase)
	return nil
}
