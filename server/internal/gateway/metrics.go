package gateway

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The values of the label "result" of sx_uploads_total.
const (
	resultFinished = "finished"
	resultRefused  = "refused" // not a media file
	resultExpired  = "expired"
	resultRemoved  = "removed" // by its owner, unfinished
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
			Name: "sx_upload_bytes_total", Help: "Bytes of videos stored.",
		}),
		uploads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "sx_uploads_total", Help: "Ended uploads by result.",
		}, []string{"result"}),
		streams: f.NewGauge(prometheus.GaugeOpts{
			Name: "sx_event_streams", Help: "Open event streams.",
		}),
	}
}
