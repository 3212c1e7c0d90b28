package release_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soundextract/sx/install/manifest"
)

// TestMetricsAreNotExposed checks in every scenario that each service has metrics and
// readiness on a port of their own, and that no Service, and so no Ingress and no HTTPRoute,
// leads to this port.
func TestMetricsAreNotExposed(t *testing.T) {
	t.Parallel()
	const port = int64(8749)
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			objects, err := manifest.Parse(s.render(t))
			if err != nil {
				t.Fatal(err)
			}
			var services, backends, served []string
			for _, o := range objects {
				switch o.GetKind() {
				case "Service":
					services = append(services, o.GetName())
					for _, p := range list(o.Object, "spec", "ports") {
						if target := p["targetPort"]; target == "metrics" || target == port || p["port"] == port {
							t.Errorf("the Service %s leads to the port of metrics: %v", o.GetName(), p)
						}
					}
				case "Deployment":
					for _, c := range list(o.Object, "spec", "template", "spec", "containers") {
						probe, _, _ := unstructured.NestedString(c, "readinessProbe", "httpGet", "port")
						own := slices.ContainsFunc(list(c, "env"), func(e map[string]any) bool {
							return e["name"] == "SX_METRICS_ADDR" && e["value"] == ":8749"
						})
						if !own || probe != "metrics" {
							t.Errorf("%s has no port of its own for metrics, or its readiness is elsewhere: %v %q", o.GetName(), own, probe)
						}
						served = append(served, o.GetName())
					}
				case "Ingress":
					for _, r := range list(o.Object, "spec", "rules") {
						for _, p := range list(r, "http", "paths") {
							name, _, _ := unstructured.NestedString(p, "backend", "service", "name")
							backends = append(backends, name)
						}
					}
				case "HTTPRoute":
					for _, r := range list(o.Object, "spec", "rules") {
						for _, b := range list(r, "backendRefs") {
							name, _ := b["name"].(string)
							backends = append(backends, name)
						}
					}
				}
			}
			if len(served) != 4 {
				t.Errorf("the Deployments are %v, want those of the four services", served)
			}
			for _, name := range backends {
				if !slices.Contains(services, name) {
					t.Errorf("requests from outside go to %q, which is not one of the Services %v", name, services)
				}
			}
			if strings.Contains(s.values, "ingress") != (len(backends) > 0) {
				t.Errorf("the backends are %v", backends)
			}
		})
	}
}

// list returns the objects of a list.
func list(of map[string]any, path ...string) (found []map[string]any) {
	values, _, _ := unstructured.NestedSlice(of, path...)
	for _, v := range values {
		if m, ok := v.(map[string]any); ok {
			found = append(found, m)
		}
	}
	return found
}
