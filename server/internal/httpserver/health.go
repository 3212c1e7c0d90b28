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

// Health answers for the whole process: whether it lives, whether it can work.
type Health struct {
	instance string
	checks   map[string]func(ctx context.Context) error
	log      *slog.Logger
	draining atomic.Bool
	group    singleflight.Group

	mu      sync.Mutex
	failing map[string]bool
}

// checkLimit bounds one check, so that a probe is answered in time.
const checkLimit = 2 * time.Second

// NewHealth makes a Health of checks by the name of what they check, such as
// "store". A check is given up after two seconds; it should honour its ctx.
func NewHealth(log *slog.Logger, checks map[string]func(ctx context.Context) error) *Health {
	return &Health{instance: sx.NewID(), checks: checks, log: log, failing: map[string]bool{}}
}

// Instance is what the health answers name the process by, new at each start.
func (h *Health) Instance() string { return h.instance }

// Drain makes the process not ready for good.
func (h *Health) Drain() { h.draining.Store(true) }

// Mount adds the paths for probes and monitoring to mux: api.PathHealth, which
// is 200 as long as the process answers; api.PathReady, 200 if all checks
// pass, else 503 with the reasons; api.PathMetrics, what metrics gathers.
func (h *Health) Mount(mux *http.ServeMux, metrics prometheus.Gatherer) {
	mux.HandleFunc("GET "+api.PathHealth, func(w http.ResponseWriter, _ *http.Request) {
		api.Write(w, http.StatusOK, h.answer("ok"))
	})
	mux.HandleFunc("GET "+api.PathReady, h.ready)
	mux.Handle("GET "+api.PathMetrics, promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
}

func (h *Health) answer(status string) api.Health {
	return api.Health{Status: status, Instance: h.instance, Version: sx.Version}
}

func (h *Health) ready(w http.ResponseWriter, r *http.Request) {
	if h.draining.Load() {
		api.Write(w, http.StatusServiceUnavailable, h.answer("stopping"))
		return
	}
	if reasons := h.run(r.Context()); len(reasons) > 0 {
		api.Write(w, http.StatusServiceUnavailable, h.answer(strings.Join(reasons, "; ")))
		return
	}
	api.Write(w, http.StatusOK, h.answer("ok"))
}

// run runs all checks side by side and gives the reasons of those that fail.
func (h *Health) run(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
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
		h.note(ctx, name, errs[i])
		if errs[i] != nil {
			reasons = append(reasons, name+": "+reason(errs[i]))
		}
	}
	return reasons
}

// check runs one check. Probes that come while it still runs share it, so that
// a check that hangs holds one goroutine and not one for each probe.
func (h *Health) check(ctx context.Context, name string) error {
	done := h.group.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkLimit)
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

// reason is what the probe's answer says of a failed check. It goes to whoever
// asks, so an error that is not written for people stays in the log.
func reason(err error) string {
	var known *sx.Error
	switch {
	case errors.As(err, &known):
		return known.Message
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", checkLimit)
	default:
		return "failed, the log says why"
	}
}

// note logs a check's change from good to bad and back, not every probe.
func (h *Health) note(ctx context.Context, name string, err error) {
	h.mu.Lock()
	was := h.failing[name]
	h.failing[name] = err != nil
	h.mu.Unlock()
	switch {
	case err != nil && !was:
		h.log.ErrorContext(ctx, "not ready", "check", name, "error", Cause(err))
	case err == nil && was:
		h.log.InfoContext(ctx, "ready again", "check", name)
	}
}
