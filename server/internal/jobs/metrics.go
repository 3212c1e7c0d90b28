package jobs

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/soundextract/sx/server/sx"
)

// Metrics count the jobs that end, in the process that stores the end.
type Metrics struct {
	ended   *prometheus.CounterVec
	latency *prometheus.HistogramVec
}

// NewMetrics returns the metrics, which are registered with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	return &Metrics{
		ended: f.NewCounterVec(prometheus.CounterOpts{
			Name: "sx_jobs_ended_total",
			Help: "Jobs that ended, by final state and, for failed ones, error code.",
		}, []string{"state", "code"}),
		latency: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sx_job_latency_seconds",
			Help: "Time from the last byte of a video, or from the retry of its job, to its MP3.",
			// The first half is for clips, the second for hours of video and a full queue.
			Buckets: []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400},
		}, []string{"priority"}),
	}
}

// observe counts a change after which the job is final.
func (m *Metrics) observe(before, after sx.Job) {
	if m == nil || before.State.Final() || !after.State.Final() {
		return
	}
	code := sx.Code("")
	if after.State == sx.StateFailed && after.Error != nil {
		code = after.Error.Code
	}
	m.ended.WithLabelValues(string(after.State), string(code)).Inc()
	if after.State == sx.StateDone {
		m.latency.WithLabelValues(after.Priority.String()).Observe(after.Ended.Sub(after.Queued).Seconds())
	}
}
