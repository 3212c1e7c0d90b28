package converter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Results of an attempt besides the codes of errors.
const (
	resultDone     = "done"
	resultReleased = "released" // handed back on shutdown
	resultLost     = "lost"     // cancelled by the owner, or the lease ran out
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
			Help: "Attempts at a conversion by result: done, released, lost, or an error's code.",
		}, []string{"result"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "sx_converter_attempt_seconds",
			Help:    "Time of an attempt from claim to end.",
			Buckets: prometheus.ExponentialBuckets(0.25, 4, 9), // up to 4.5 h
		}),
		running: f.NewGauge(prometheus.GaugeOpts{
			Name: "sx_converter_running",
			Help: "Conversions that run now.",
		}),
	}
}

// begin counts an attempt in; the function that it returns counts it out.
func (m metrics) begin() func(result string) {
	begun := time.Now()
	m.running.Inc()
	return func(result string) {
		m.running.Dec()
		m.attempts.WithLabelValues(result).Inc()
		m.seconds.Observe(time.Since(begun).Seconds())
	}
}
