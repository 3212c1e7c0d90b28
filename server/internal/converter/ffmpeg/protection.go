package ffmpeg

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/soundextract/sx/server/internal/sandbox"
)

// Protection says what protects this process from the programs.
func (t *Transcoder) Protection() sandbox.Protection { return t.box.Protection() }

// reportProtection sets the metrics by which sx doctor and monitoring see what is in force.
func reportProtection(r prometheus.Registerer, p sandbox.Protection) {
	gauge := func(name, help string, value float64) {
		promauto.With(r).NewGauge(prometheus.GaugeOpts{Name: "sx_converter_sandbox_" + name, Help: help}).Set(value)
	}
	flag := func(set bool) float64 {
		if set {
			return 1
		}
		return 0
	}
	gauge("landlock_abi", "Version of the Landlock ABI that confines ffmpeg; 0 without Landlock.", float64(p.Landlock))
	gauge("seccomp", "Whether ffmpeg's system calls are filtered (1 or 0).", flag(p.Seccomp))
	gauge("user", "Whether ffmpeg runs as a user other than the converter's (1 or 0).", flag(p.User))
}
