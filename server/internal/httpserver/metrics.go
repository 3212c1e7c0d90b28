package httpserver

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// NewRegistry makes a registry that holds the metrics of the Go runtime and of
// the process.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
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
			Help: "Answered HTTP requests by route, method and status.",
		}, []string{"route", "method", "status"}),
		duration: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sx_http_request_duration_seconds",
			Help: "Time from a request's head to the end of its answer.",
			// Sign-ins take milliseconds, uploads and event streams hours.
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200},
		}, []string{"route", "method"}),
	}
}

func (m httpMetrics) observe(route, method string, status int, took time.Duration) {
	if !slices.Contains(knownMethods, method) {
		method = "other" // a label made up by a client would grow the metrics without end
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route, method).Observe(took.Seconds())
}

var knownMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
	http.MethodPatch, http.MethodDelete, http.MethodOptions,
}
