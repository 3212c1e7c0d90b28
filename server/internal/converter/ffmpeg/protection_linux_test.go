package ffmpeg_test

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/testkit"
)

// TestProtection checks that ffmpeg is confined as far as this kernel can, that a script
// is not, and that the metrics say so.
func TestProtection(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg", "ffprobe")
	box, err := sandbox.New(t.Context(), sandbox.Config{}, slog.New(slog.DiscardHandler), "/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	possible := box.Protection()
	script, _ := program(t, `exec ffmpeg "$@"`)
	for name, tt := range map[string]struct {
		change func(*ffmpeg.Config)
		want   sandbox.Protection
	}{
		"ffmpeg":     {func(*ffmpeg.Config) {}, possible},
		"a script":   {func(c *ffmpeg.Config) { c.FFmpeg = script }, sandbox.Protection{}},
		"unconfined": {func(c *ffmpeg.Config) { c.Sandbox.Unconfined = true }, sandbox.Protection{}},
	} {
		registry := prometheus.NewRegistry()
		got := transcoder(t, func(c *ffmpeg.Config) { c.Registerer = registry; tt.change(c) }).Protection()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		metrics := map[string]float64{}
		for _, f := range families {
			metrics[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
		}
		if got != tt.want || metrics["sx_converter_sandbox_landlock_abi"] != float64(got.Landlock) || (metrics["sx_converter_sandbox_seccomp"] == 1) != got.Seccomp {
			t.Errorf("%s: got %+v, want %+v; metrics %v", name, got, tt.want, metrics)
		}
	}
}
