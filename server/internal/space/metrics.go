package space

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/soundextract/sx/server/internal/store"
)

type metrics struct{ total, free, reserve, full prometheus.Gauge }

func newMetrics(r prometheus.Registerer) metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return promauto.With(r).NewGauge(prometheus.GaugeOpts{Name: "sx_storage_" + name, Help: help})
	}
	m := metrics{
		total:   gauge("size_bytes", "Size of the volume with the videos and MP3s; 0 if it is not known."),
		free:    gauge("free_bytes", "Free space on the volume with the videos and MP3s."),
		reserve: gauge("reserve_bytes", "Free space that new uploads leave for conversions."),
		full: gauge("full_seconds", "Seconds until new uploads are refused, at the rate of the last day or week, whichever is higher; "+
			"+Inf if that is too far away, NaN if it is not known yet."),
	}
	m.full.Set(unknown)
	return m
}

func (m metrics) set(s store.Space, reserve int64, full float64) {
	m.total.Set(float64(s.Total))
	m.free.Set(float64(s.Free))
	m.reserve.Set(float64(reserve))
	m.full.Set(full)
}
