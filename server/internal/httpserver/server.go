package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	// headLimit bounds reading a request's head, against clients that drip.
	headLimit = 10 * time.Second
	// idleLimit closes connections that nobody uses.
	idleLimit = 2 * time.Minute
	maxHead   = 64 << 10 // bytes

	defaultDrain = 10 * time.Second
	// brief is what open requests get before their ctx ends: enough for
	// everything but transfers and streams, which end only then.
	brief = 500 * time.Millisecond
	// storing is what handlers get after their connections were cut.
	storing = 5 * time.Second
)

// Server serves HTTP on a listener that is open already. Nothing limits how
// long a body may take: uploads and event streams last for hours, and their
// handlers notice a stall themselves.
type Server struct {
	Listener net.Listener // Run closes it
	Handler  http.Handler
	Health   *Health // told to drain when Run's ctx ends
	Log      *slog.Logger
	// Drain bounds the time that open requests get to end; 0 is ten seconds.
	Drain time.Duration
}

// Run serves until ctx ends, then drains and returns nil: readiness goes false,
// no new connection is taken, and short requests end as usual. What is open
// half a second later has its ctx cancelled (cause http.ErrServerClosed) and
// its body read no further, so that event streams end and uploads store what
// they have. What is open after Drain is cut. All handlers have returned when
// Run returns, except those that do not even notice that. An error is one of
// the listener.
func (s *Server) Run(ctx context.Context) error {
	base, cancelBase := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelBase(http.ErrServerClosed)
	open := &openRequests{none: make(chan struct{})}
	srv := &http.Server{
		Handler:           open.count(s.Handler),
		ReadHeaderTimeout: headLimit,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    maxHead,
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
	limit := s.Drain
	if limit == 0 {
		limit = defaultDrain
	}
	shutdownCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	end := time.AfterFunc(min(brief, limit), func() { cancelBase(http.ErrServerClosed) })
	defer end.Stop()
	if err := srv.Shutdown(shutdownCtx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.Log.WarnContext(ctx, "closing the listener failed", "error", err)
	}
	_ = srv.Close()
	// Without connections a handler can only be storing what it has.
	select {
	case <-open.close():
	case <-time.After(storing):
		s.Log.WarnContext(ctx, "requests were left open")
	}
}
