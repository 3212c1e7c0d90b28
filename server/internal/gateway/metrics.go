package gateway

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// How an upload can end, as the label "result".
const (
	resultFinished = "finished"
	resultRefused  = "refused" // no media
	resultExpired  = "expired"
	resultRemoved  = "removed" // by its owner, before it was finished
)

type metrics struct {
	uploadBytes prometheus.Counter
	uploads     *prometheus.CounterVec
	streams     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	f := promauto.With(r)
	return metrics{
		uploadBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "sx_upload_bytes_total", Help: "Bytes of videos that were stored.",
		}),
		uploads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "sx_uploads_total", Help: "Uploads that ended, by result.",
		}, []string{"result"}),
		streams: f.NewGauge(prometheus.GaugeOpts{
			Name: "sx_event_streams", Help: "Event streams that are open.",
		}),
	}
}
