//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"
)

// BenchmarkInstall measures sx install, the same install again, which changes nothing, an
// upgrade that replaces the pods of the gateway, its rollback, and the same with Helm's
// command line, alternating; also the time from sx install to the first MP3.
func BenchmarkInstall(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 50*time.Minute)
	defer cancel()
	o := newOperator(ctx, b, "e2e-bench")
	video := o.makeVideo("talk.mkv", 5, 440)
	operations := []string{"install", "no-op", "upgrade", "rollback"}
	took := map[string]map[string]time.Duration{"sx": {}, "helm": {}}
	var first time.Duration
	change := []string{"--set", "gateway.logLevel=debug"}
	for b.Loop() {
		begin := time.Now()
		measure := func(program, operation string, run func()) {
			start := time.Now()
			run()
			took[program][operation] += time.Since(start)
		}
		measure("sx", "install", func() { o.sx(o.install()...) })
		o.register("ada")
		o.sx("convert", video, "-o", video+".mp3", "--force")
		first += time.Since(begin)
		measure("sx", "no-op", func() { o.sx(o.install()...) })
		measure("sx", "upgrade", func() { o.sx(o.install(change...)...) })
		measure("sx", "rollback", func() { o.sx(o.at("rollback")...) })
		o.removeNamespace(ctx)

		measure("helm", "install", func() { o.helmInstall(envHelm3) })
		measure("helm", "no-op", func() { o.helmInstall(envHelm3) })
		measure("helm", "upgrade", func() { o.helmInstall(envHelm3, change...) })
		measure("helm", "rollback", func() { o.helm(envHelm3, "rollback", "soundextract", "--wait") })
		o.removeNamespace(ctx)
	}
	runs := float64(b.N)
	for _, operation := range operations {
		sx, helm := took["sx"][operation].Seconds(), took["helm"][operation].Seconds()
		b.Logf("%-8s  sx %5.1f s, helm upgrade --install --wait %5.1f s: %.2f times", operation, sx/runs, helm/runs, sx/helm)
	}
	b.Logf("from sx install to the first MP3: %.1f s", first.Seconds()/runs)
}
