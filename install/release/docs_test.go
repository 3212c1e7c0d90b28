package release_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/manifest"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
)

// yamlBlocks returns the YAML blocks of the documentation, by page and number.
func yamlBlocks(t *testing.T) map[string]string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(text), "\n```yaml\n")[1:] {
			block, _, closed := strings.Cut(part, "\n```\n")
			if !closed {
				t.Errorf("a block of %s does not end", page)
			}
			all[filepath.Base(page)+" "+string(rune('1'+i))] = block + "\n"
		}
	}
	return all
}

// TestDocumentedYAML checks that each YAML block of the documentation is a manifest, whose
// values the chart has, or values for the chart, or a config file, which sx config tests.
func TestDocumentedYAML(t *testing.T) {
	t.Parallel()
	found := map[string]int{}
	for where, block := range yamlBlocks(t) {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(block), &object); err != nil && !strings.Contains(block, "\n---\n") {
			t.Errorf("%s: %v", where, err)
			continue
		}
		switch {
		case object["contexts"] != nil:
			found["config"]++
		case strings.HasPrefix(block, "apiVersion:"):
			checkManifests(t, where, block, found)
		default:
			found["values"]++
			renderValues(t, where, block)
		}
	}
	// A block that is not recognized would not be tested.
	for kind, least := range map[string]int{"config": 2, "values": 5, "ExternalSecret": 1, "Application": 1, "OCIRepository": 1, "HelmRelease": 1} {
		if found[kind] < least {
			t.Errorf("%d blocks are %s, want %d", found[kind], kind, least)
		}
	}
}

func checkManifests(t *testing.T, where, block string, found map[string]int) {
	t.Helper()
	objects, err := manifest.Parse(block)
	if err != nil {
		t.Errorf("%s: %v", where, err)
	}
	for _, o := range objects {
		found[o.GetKind()]++
		if o.GetAPIVersion() == "" || o.GetName() == "" || o.GetNamespace() == "" {
			t.Errorf("%s: an object %s without apiVersion, name or namespace", where, o.GetKind())
		}
		spec, _ := o.Object["spec"].(map[string]any)
		set := spec["values"] // of Flux
		if source, ok := spec["source"].(map[string]any); ok {
			helm, _ := source["helm"].(map[string]any)
			set = helm["valuesObject"] // of Argo CD
		}
		if set == nil {
			if o.GetKind() == "HelmRelease" || o.GetKind() == "Application" {
				t.Errorf("%s: %s has no values", where, o.GetKind())
			}
			continue
		}
		text, err := yaml.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		if rendered := renderValues(t, where, string(text)); strings.Contains(rendered, "kind: Secret\n") {
			t.Errorf("%s: the values of %s render a Secret, which is different each time", where, o.GetKind())
		}
	}
}

// renderValues renders the chart with values, as -f reads them.
func renderValues(t *testing.T, where, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "age1…", "age1x")), 0o600); err != nil {
		t.Fatal(err)
	}
	merged, err := values.Flags{Files: []string{file}}.Values()
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return ""
	}
	rendered, err := release.Render("1.2.3", merged, release.RenderOptions{Release: "soundextract", Namespace: "music", APIs: everything, Kubernetes: "v1.34.4"})
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return ""
	}
	return rendered.All()
}
