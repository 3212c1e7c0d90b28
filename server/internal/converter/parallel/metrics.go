package parallel

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// outcome says what became of a chunk that was encoded ahead.
type outcome string

const (
	outcomeProven      outcome = "proven"
	outcomeNoAgreement outcome = "no_agreement"
	outcomeReservoir   outcome = "reservoir"
	outcomeSteered     outcome = "steered"
)

// Metrics count how recordings were encoded.
type Metrics struct {
	chunks *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	return &Metrics{chunks: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "sx_converter_chunks_total",
		Help: "Chunks that were encoded ahead, by outcome: proven; no_agreement or reservoir (the bit reservoirs stayed different), which were encoded again in order; steered, where another encoder, with the right reservoir, took over inside the chunk.",
	}, []string{"outcome"})}
}

func (m *Metrics) chunk(o outcome) { m.chunks.WithLabelValues(string(o)).Inc() }
