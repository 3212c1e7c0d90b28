package release_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
)

// TestExamples renders the example values and checks that the chart's README lists them.
func TestExamples(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../charts/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		preset string
		wants  []string
		kinds  map[string]int
	}{
		"small-team-k3s.yaml": {
			"quickstart",
			[]string{"storageClassName: local-path", "ingressClassName: traefik", "secretName: sx-tls"},
			map[string]int{"StatefulSet": 2, "Ingress": 1},
		},
		"production-managed.yaml": {
			"production",
			[]string{"secretName: mongodb-atlas", `host: "sx.example.org"`, "maxReplicaCount: 20"},
			map[string]int{"StatefulSet": 1, "Ingress": 1, "ScaledObject": 1, "PodMonitor": 5},
		},
		"restricted-namespace.yaml": {
			"",
			[]string{"registry.example.org/mirror/soundextract/gateway:1.2.3", "secretName: platform-mongodb", "name: registry"},
			map[string]int{"StatefulSet": 0, "Ingress": 0, "PodMonitor": 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			merged, err := values.Flags{Preset: tt.preset, Files: []string{filepath.Join("../../charts/examples", name)}}.Values()
			if err != nil {
				t.Fatal(err)
			}
			values.WithSecrets(merged, "0123")
			rendered, err := release.Render("1.2.3", merged, release.RenderOptions{Release: "soundextract", Namespace: "music", APIs: everything, Kubernetes: "v1.34.4"})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.wants {
				if !strings.Contains(rendered.Manifest, want) {
					t.Errorf("the manifest lacks %q", want)
				}
			}
			objects := read(t, rendered.Manifest)
			for kind, want := range tt.kinds {
				if objects.kinds[kind] != want {
					t.Errorf("%d objects of kind %s, want %d", objects.kinds[kind], kind, want)
				}
			}
			if !strings.Contains(string(readme), "examples/"+name) {
				t.Errorf("charts/README.md does not list %s", name)
			}
		})
	}
	files, err := filepath.Glob("../../charts/examples/*.yaml")
	if err != nil || len(files) != 3 {
		t.Errorf("%d examples are tested, want %v, %v", 3, files, err)
	}
}
