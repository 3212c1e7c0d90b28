//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/release"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/kube"
)

// helm returns a Helm configuration for the operator's namespace.
func (o *operator) helm() *action.Configuration {
	o.t.Helper()
	c, err := kube.Connect(kube.Target{Namespace: o.namespace})
	if err != nil {
		o.t.Fatal(err)
	}
	config := new(action.Configuration)
	if err := config.Init(c.Getter, o.namespace, "", func(string, ...any) {}); err != nil {
		o.t.Fatal(err)
	}
	return config
}

// helmInstall installs the chart as helm install --wait does.
func (o *operator) helmInstall(ctx context.Context) {
	o.t.Helper()
	loaded, err := loader.Load("../../charts/soundextract")
	if err != nil {
		o.t.Fatal(err)
	}
	for _, c := range append(loaded.Dependencies(), loaded) {
		c.Metadata.AppVersion = chart.Tag(o.version())
	}
	install := action.NewInstall(o.helm())
	install.ReleaseName, install.Namespace, install.CreateNamespace = "soundextract", o.namespace, true
	install.Wait, install.Timeout = true, 5*time.Minute
	if _, err := install.RunWithContext(ctx, loaded, map[string]any{"gateway": map[string]any{"reserve": reserve}}); err != nil {
		o.t.Fatalf("helm install: %v", err)
	}
}

func (o *operator) version() string {
	o.t.Helper()
	return decode[struct {
		Version string `json:"version"`
	}](o, o.sx("version", "--json")).Version
}

// helmTest runs the chart's test, which converts a clip.
func (o *operator) helmTest() {
	o.t.Helper()
	test := action.NewReleaseTesting(o.helm())
	test.Timeout, test.Namespace = 3*time.Minute, o.namespace
	tested, err := test.Run("soundextract")
	if err != nil {
		o.t.Fatalf("helm test: %v", err)
	}
	ran := 0
	for _, hook := range tested.Hooks {
		if hook.LastRun.Phase == release.HookPhaseSucceeded {
			ran++
		}
	}
	if ran == 0 {
		o.t.Error("helm test ran nothing")
	}
}

// TestPlainHelm installs the chart with Helm alone and converts a clip.
func TestPlainHelm(t *testing.T) {
	o := newOperator(within(t, 8*time.Minute), t, "e2e-helm")
	o.helmInstall(o.ctx)
	o.helmTest()
}

// BenchmarkInstall compares sx install with helm install --wait, alternating,
// and measures the time from sx install to the first MP3.
func BenchmarkInstall(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Minute)
	defer cancel()
	o := newOperator(ctx, b, "e2e-bench")
	video := o.makeVideo("talk.mkv", 5, 440)
	var sx, helm, first time.Duration
	for b.Loop() {
		start := time.Now()
		o.sx(o.install()...)
		sx += time.Since(start)
		o.register("ada")
		o.sx("convert", video, "-o", video+".mp3", "--force")
		first += time.Since(start)
		o.removeNamespace(ctx)

		start = time.Now()
		o.helmInstall(ctx)
		helm += time.Since(start)
		o.removeNamespace(ctx)
	}
	runs := float64(b.N)
	b.ReportMetric(sx.Seconds()/runs, "sx-s/op")
	b.ReportMetric(helm.Seconds()/runs, "helm-s/op")
	b.ReportMetric(sx.Seconds()/helm.Seconds(), "sx/helm")
	b.ReportMetric(first.Seconds()/runs, "first-MP3-s/op")
}
