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

// The values of the label "what" of sx_retention_deleted_total.
const (
	deletedVideo = "video"
	deletedJob   = "job"
)

type metrics struct {
	uploadBytes prometheus.Counter
	trackBytes  prometheus.Counter
	uploads     *prometheus.CounterVec
	streams     prometheus.Gauge
	deletions   *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) metrics {
	f := promauto.With(r)
	return metrics{
		uploadBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "sx_upload_bytes_total", Help: "Bytes of videos stored.",
		}),
		trackBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "sx_download_bytes_total", Help: "Bytes of MP3s sent.",
		}),
		uploads: f.NewCounterVec(prometheus.CounterOpts{
			Name: "sx_uploads_total", Help: "Ended uploads by result.",
		}, []string{"result"}),
		streams: f.NewGauge(prometheus.GaugeOpts{
			Name: "sx_event_streams", Help: "Open event streams.",
		}),
		deletions: f.NewCounterVec(prometheus.CounterOpts{
			Name: "sx_retention_deleted_total", Help: "Videos and jobs deleted after their retention period.",
		}, []string{"what"}),
	}
}
