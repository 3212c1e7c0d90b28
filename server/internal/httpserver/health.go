package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/singleflight"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// opsPaths are the paths that Health serves.
var opsPaths = []string{api.PathHealth, api.PathReady, api.PathMetrics}

// Health is the health of the process: liveness and readiness. The process becomes ready
// once it has reached all its dependencies at the same time, and remains so until it
// drains: an outage of a dependency affects all replicas, so taking them out of their
// load balancer would only replace their responses with its own.
type Health struct {
	instance string
	checks   map[string]func(ctx context.Context) error
	log      *slog.Logger
	started  atomic.Bool
	draining atomic.Bool
	group    singleflight.Group

	mu      sync.Mutex
	failing map[string]bool
}

const (
	// checkTimeout bounds one check, so that a probe gets a response in time.
	checkTimeout = 2 * time.Second
	// degradedTimeout is how long the response of a ready process waits for the checks:
	// less than the usual timeout of probes, because they do not change its status.
	degradedTimeout = 500 * time.Millisecond
)

// NewHealth returns a Health with the given checks, by the names of the checked
// dependencies, such as "store". A check has a timeout of two seconds; it
// should honour its ctx.
func NewHealth(log *slog.Logger, checks map[string]func(ctx context.Context) error) *Health {
	return &Health{instance: sx.NewID(), checks: checks, log: log, failing: map[string]bool{}}
}

// Instance returns the ID of this run of the process, which is in the responses.
func (h *Health) Instance() string { return h.instance }

// Drain makes the process permanently not ready.
func (h *Health) Drain() { h.draining.Store(true) }

// Mount adds the paths for probes and monitoring to mux: those of MountAlive and
// MountReady, and api.PathMetrics.
func (h *Health) Mount(mux *http.ServeMux, metrics prometheus.Gatherer) {
	h.MountAlive(mux)
	h.MountReady(mux)
	mux.Handle("GET "+api.PathMetrics, promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
}

// MountAlive adds api.PathHealth, always 200.
func (h *Health) MountAlive(mux *http.ServeMux) {
	mux.HandleFunc("GET "+api.PathHealth, func(w http.ResponseWriter, _ *http.Request) {
		api.Write(w, http.StatusOK, h.response("ok"))
	})
}

// MountReady adds api.PathReady: 503 with the reasons until all checks have passed once,
// then 200 with the checks that fail.
func (h *Health) MountReady(mux *http.ServeMux) { mux.HandleFunc("GET "+api.PathReady, h.ready) }

func (h *Health) response(status string) api.Health {
	return api.Health{Status: status, Instance: h.instance, Version: sx.Version}
}

func (h *Health) ready(w http.ResponseWriter, r *http.Request) {
	if h.draining.Load() {
		api.Write(w, http.StatusServiceUnavailable, h.response("stopping"))
		return
	}
	timeout := checkTimeout
	if h.started.Load() {
		timeout = degradedTimeout
	}
	failing := strings.Join(h.run(r.Context(), timeout), "; ")
	if failing == "" && r.Context().Err() == nil {
		h.started.Store(true)
	}
	if !h.started.Load() {
		api.Write(w, http.StatusServiceUnavailable, h.response(failing))
		return
	}
	response := h.response("ok")
	response.Degraded = failing
	api.Write(w, http.StatusOK, response)
}

// run runs all checks concurrently and returns the reasons of those that fail or take
// longer than timeout. If the client does not wait for them, nothing is known about the
// dependencies, so nothing is logged.
func (h *Health) run(probe context.Context, timeout time.Duration) []string {
	ctx, cancel := context.WithTimeout(probe, timeout)
	defer cancel()
	names := slices.Sorted(maps.Keys(h.checks))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { errs[i] = h.check(ctx, name) })
	}
	wg.Wait()
	var reasons []string
	for i, name := range names {
		if probe.Err() == nil {
			h.logChange(ctx, name, errs[i])
		}
		if errs[i] != nil {
			reasons = append(reasons, name+": "+reason(errs[i], timeout))
		}
	}
	return reasons
}

// check runs one check. Concurrent probes share it, so that a check that hangs
// blocks one goroutine instead of one for each probe.
func (h *Health) check(ctx context.Context, name string) error {
	done := h.group.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		defer cancel()
		return nil, h.checks[name](ctx)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reason describes a failed check in the response. Every client can see it, so an
// error that is not an *sx.Error is only logged.
func reason(err error, timeout time.Duration) string {
	var known *sx.Error
	switch {
	case errors.As(err, &known):
		return known.Message
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("timeout after %v", timeout)
	default:
		return "failed; see the log"
	}
}

// logChange logs that a check has started to fail, or to pass again. A process that starts
// before its dependencies is nothing that needs anybody's attention.
func (h *Health) logChange(ctx context.Context, name string, err error) {
	h.mu.Lock()
	was := h.failing[name]
	h.failing[name] = err != nil
	h.mu.Unlock()
	switch {
	case err != nil && !was:
		level := slog.LevelError
		if !h.started.Load() {
			level = slog.LevelInfo
		}
		h.log.Log(ctx, level, "dependency unavailable", "check", name, "error", Cause(err))
	case err == nil && was:
		h.log.InfoContext(ctx, "dependency available again", "check", name)
	}
}
