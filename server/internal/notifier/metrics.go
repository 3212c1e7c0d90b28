package notifier

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Values of the label "outcome".
const (
	outcomeDelivered = "delivered"
	outcomeRetried   = "retried" // failed, and will be retried
	outcomeFailed    = "failed"  // failed, and will not be retried
)

type metrics struct {
	attempts *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) metrics {
	return metrics{
		attempts: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
			Name: "sx_delivery_attempts_total", Help: "Attempts to deliver a notification, by channel and outcome.",
		}, []string{"channel", "outcome"}),
	}
}
