package notifier

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// How a try can end, as the label "outcome".
const (
	outcomeDelivered = "delivered"
	outcomeRetried   = "retried" // will be tried again
	outcomeFailed    = "failed"  // given up
)

type metrics struct {
	deliveries *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) metrics {
	return metrics{
		deliveries: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
			Name: "sx_deliveries_total", Help: "Tries to tell a user something, by channel and outcome.",
		}, []string{"channel", "outcome"}),
	}
}
