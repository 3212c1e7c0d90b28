package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Observe puts what every request needs around h: an id (api.HeaderRequestID)
// in its ctx, its answer and its log lines; one line in the access log, without
// queries and headers, which may hold secrets; the metrics sx_http_…; and a
// panic becomes an answer of code internal with its stack in the log. The route
// in log and metrics is the pattern by which an http.ServeMux below matched.
// It is called once for each reg.
func Observe(h http.Handler, log *slog.Logger, reg prometheus.Registerer) http.Handler {
	metrics := newHTTPMetrics(reg)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		rec := &recorder{ResponseWriter: w}
		r = identify(rec, r)
		defer func() {
			took := time.Since(begin)
			status, route := rec.final(r), routeOf(r)
			metrics.observe(route, r.Method, status, took)
			logAccess(r, log, rec, route, status, took)
		}()
		defer recoverPanic(rec, r, log)
		h.ServeHTTP(rec, r)
	})
}

// statusClientGone is what nginx logs for a request whose client did not wait.
const statusClientGone = 499

// final is the status of an answer whose handler has returned.
func (r *recorder) final(req *http.Request) int {
	switch {
	case r.status != 0:
		return r.status
	case req.Context().Err() != nil:
		return statusClientGone
	default:
		return http.StatusOK // what net/http sends then
	}
}

// routeOf is the path of the pattern that matched, without method and host.
func routeOf(r *http.Request) string {
	if _, after, ok := strings.Cut(r.Pattern, " "); ok {
		return after
	}
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// maxLoggedPath keeps a line readable that someone tries to blow up.
const maxLoggedPath = 256

func logAccess(r *http.Request, log *slog.Logger, rec *recorder, route string, status int, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case slices.Contains(opsPaths, r.URL.Path):
		level = slog.LevelDebug // probes come every few seconds
	case status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	}
	path := r.URL.Path
	if len(path) > maxLoggedPath {
		path = path[:maxLoggedPath]
	}
	log.LogAttrs(r.Context(), level, "request",
		slog.String("method", r.Method), slog.String("path", path), slog.String("route", route),
		slog.Int("status", status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took))
}

// recoverPanic ends the panic of a handler. An answer that has begun cannot be
// taken back: its connection is cut, so that no client takes it for complete.
func recoverPanic(rec *recorder, r *http.Request, log *slog.Logger) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // panic passes this very value, as net/http compares it
		panic(cause)
	}
	log.ErrorContext(r.Context(), "panic in a handler", "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	api.WriteError(rec, fmt.Errorf("panic: %v", cause))
}

// WriteError answers with err as api.WriteError does, and logs it when it is
// the server's fault: then only the log names its cause. An error that is only
// the end of the request's own ctx is no fault.
func WriteError(ctx context.Context, w http.ResponseWriter, log *slog.Logger, err error) {
	switch {
	case ctx.Err() == nil || !errors.Is(err, ctx.Err()):
		if sx.CodeOf(err).Status() >= http.StatusInternalServerError {
			log.ErrorContext(ctx, "request failed", "error", Cause(err))
		}
		api.WriteError(w, err)
	case draining(ctx):
		api.WriteError(w, sx.NewError(sx.CodeUnavailable, "the server is stopping"))
	default: // the client has gone: nobody reads an answer
	}
}
