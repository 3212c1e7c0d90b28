package converter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Results of an attempt, besides error codes.
const (
	resultDone      = "done"
	resultReleased  = "released"   // the service was shut down
	resultLeaseLost = "lease_lost" // the owner cancelled the job, or the lease expired
)

type metrics struct {
	attempts *prometheus.CounterVec
	seconds  prometheus.Histogram
	running  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	f := promauto.With(r)
	return metrics{
		attempts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "sx_converter_attempts_total",
			Help: "Attempts at a conversion by result: done, released, lease_lost or an error code.",
		}, []string{"result"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "sx_converter_attempt_duration_seconds",
			Help:    "Duration of an attempt, from claim to end.",
			Buckets: prometheus.ExponentialBuckets(0.25, 4, 9), // up to 4.5 h
		}),
		running: f.NewGauge(prometheus.GaugeOpts{
			Name: "sx_converter_running",
			Help: "Running conversions.",
		}),
	}
}

// startAttempt counts the start of an attempt. The caller must call the
// returned function with the result at its end.
func (m metrics) startAttempt() func(result string) {
	start := time.Now()
	m.running.Inc()
	return func(result string) {
		m.running.Dec()
		m.attempts.WithLabelValues(result).Inc()
		m.seconds.Observe(time.Since(start).Seconds())
	}
}
