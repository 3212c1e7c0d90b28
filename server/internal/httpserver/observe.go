package httpserver

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Observe is the middleware around all handlers of a program. It gives each request
// an ID (api.HeaderRequestID) in its ctx, its response and its log lines; writes the
// access log, without queries and headers, which may contain secrets; counts the
// metrics sx_http_…; and turns a panic into a response of code internal, with the
// stack in the log. The route in log and metrics is the pattern that an http.ServeMux
// in h matched. Call it once for each reg.
func Observe(h http.Handler, log *slog.Logger, reg prometheus.Registerer) http.Handler {
	metrics := newHTTPMetrics(reg)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		r = identify(rec, r)
		r, endSpan := startSpan(r)
		defer func() {
			took := time.Since(start)
			status, route := rec.finalStatus(r), routeOf(r)
			endSpan(route, status)
			metrics.observe(route, r.Method, status, took)
			logAccess(r, log, rec, route, status, took)
		}()
		defer recoverPanic(rec, r, log)
		h.ServeHTTP(rec, r)
	})
}

// statusClientClosedRequest is what nginx logs for a request whose client closed the
// connection before there was a response.
const statusClientClosedRequest = 499

// finalStatus is the status of the response once the handler has returned.
func (r *recorder) finalStatus(req *http.Request) int {
	switch {
	case r.status != 0:
		return r.status
	case req.Context().Err() != nil:
		return statusClientClosedRequest
	default:
		return http.StatusOK // sent by net/http
	}
}

// routeOf is the path of the matched pattern, without method and host.
func routeOf(r *http.Request) string {
	if _, after, ok := strings.Cut(r.Pattern, " "); ok {
		return after
	}
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// maxLoggedPath bounds what a client can write to the log.
const maxLoggedPath = 256

// loggedPath returns the path of a request for logs and traces, without the secret of a link
// or feed.
func loggedPath(r *http.Request) string {
	path := r.URL.Path
	for _, prefix := range []string{api.SharePrefix, api.FeedPrefix} {
		if i := strings.Index(path, prefix); i >= 0 {
			path = path[:i] + prefix + "…"
		}
	}
	for root, prefix := range map[string]string{api.SharedPaths: api.SharePrefix, api.FeedPaths: api.FeedPrefix} {
		if strings.HasPrefix(path, root) && path != root+prefix+"…" {
			path = root + "…"
		}
	}
	return sx.CleanLine(path, maxLoggedPath)
}

func logAccess(r *http.Request, log *slog.Logger, rec *recorder, route string, status int, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case slices.Contains(opsPaths, r.URL.Path):
		level = slog.LevelDebug // probes are sent every few seconds
	case status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", loggedPath(r)), slog.String("route", route),
		slog.Int("status", status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took),
	}
	if job := jobOf(r, route); job != "" {
		attrs = append(attrs, slog.String("job", job))
	}
	log.LogAttrs(r.Context(), level, "request", attrs...)
}

// recoverPanic recovers from a panic of a handler. If the response has been
// started, the connection is closed, so that no client mistakes it for
// complete.
func recoverPanic(rec *recorder, r *http.Request, log *slog.Logger) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares this very value
		panic(cause)
	}
	log.ErrorContext(r.Context(), "handler panicked", "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	api.WriteError(rec, fmt.Errorf("panic: %v", cause))
}

// recorder records the status and the size of a response. http.ResponseController
// unwraps it, so flushing, deadlines and hijacking still work.
type recorder struct {
	http.ResponseWriter
	status int   // 0 until the response has been started
	bytes  int64 // of the body
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	// 1xx are informational, except 101, which is final.
	if r.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.start()
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// ReadFrom lets the underlying writer use sendfile.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	r.start()
	n, err := io.Copy(r.ResponseWriter, src)
	r.bytes += n
	return n, err
}

// FlushError is called by http.ResponseController. A flush starts the response.
func (r *recorder) FlushError() error {
	r.start()
	return http.NewResponseController(r.ResponseWriter).Flush()
}

func (r *recorder) start() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
}

// NewRegistry returns a registry with the metrics of the Go runtime, of the process and
// of its build.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
		Name: "sx_build_info",
		Help: "Always 1; the labels have the version of SoundExtract and that of Go.",
	}, []string{"version", "goversion"}).WithLabelValues(sx.Version, runtime.Version()).Set(1)
	return reg
}

type httpMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newHTTPMetrics(reg prometheus.Registerer) httpMetrics {
	factory := promauto.With(reg)
	return httpMetrics{
		requests: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "sx_http_requests_total",
			Help: "HTTP requests by route, method and status.",
		}, []string{"route", "method", "status"}),
		duration: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sx_http_request_duration_seconds",
			Help: "Duration from the request's header to the end of the response.",
			// Sign-ins take milliseconds; uploads and event streams take hours.
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200},
		}, []string{"route", "method"}),
	}
}

func (m httpMetrics) observe(route, method string, status int, took time.Duration) {
	if !slices.Contains(knownMethods, method) {
		method = "other" // otherwise clients could create an unbounded number of labels
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route, method).Observe(took.Seconds())
}

var knownMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
	http.MethodPatch, http.MethodDelete, http.MethodOptions,
}
