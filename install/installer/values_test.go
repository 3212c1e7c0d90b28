package installer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/sx"
)

func valueFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOrderOfValues checks that later values override earlier ones: settings override
// files, and files the preset.
func TestOrderOfValues(t *testing.T) {
	t.Parallel()
	certificate := valueFile(t, "several\nlines")
	f := values.Flags{
		Preset: "production",
		Files: []string{
			valueFile(t, "gateway: {replicas: 3, quota: 1GiB}\nconverter: {resources: {limits: {memory: 8Gi}}}\n"),
			valueFile(t, "gateway: {replicas: 4}\nnotifier: null\n"),
		},
		Set:       []string{"gateway.maxUpload=5GiB,auth.replicas=1", "auth.registration=closed"},
		SetString: []string{"mongodb.persistence.size=100"},
		SetFile:   []string{"gateway.ingress.annotations.note=" + certificate},

		ImageRegistry:   "registry.example.org/",
		ImagePullSecret: "pull",
	}
	all, err := f.Values()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := yaml.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	const want = `auth:
  registration: closed
  replicas: 1
converter:
  autoscaling:
    enabled: true
    max: 10
    min: 2
  resources:
    limits:
      memory: 8Gi
    requests:
      cpu: "1"
      memory: 512Mi
gateway:
  ingress:
    annotations:
      note: |-
        several
        lines
  maxUpload: 5GiB
  quota: 1GiB
  replicas: 4
  resources:
    limits:
      memory: 1Gi
    requests:
      cpu: 250m
      memory: 128Mi
global:
  imagePullSecrets:
  - pull
  imageRegistry: registry.example.org
mongodb:
  cacheSizeGB: 2
  persistence:
    size: "100"
  resources:
    limits:
      memory: 6Gi
    requests:
      cpu: 500m
      memory: 3Gi
notifier: null
rabbitmq:
  persistence:
    size: 8Gi
  replicas: 3
  resources:
    limits:
      memory: 2Gi
    requests:
      cpu: 250m
      memory: 512Mi
`
	if string(raw) != want {
		t.Errorf("got\n%s", raw)
	}
}

// TestUnusableValues checks that unusable input is invalid and named by the error.
func TestUnusableValues(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	for want, f := range map[string]values.Flags{
		"enormous":       {Preset: "enormous"},
		"missing.yaml":   {Files: []string{missing}},
		"not valid YAML": {Files: []string{valueFile(t, "a: [b")}},
		"--set nothing":  {Set: []string{"nothing"}},
		"--set-string":   {SetString: []string{"a[x]=1"}},
		"--set-file k":   {SetFile: []string{"k=" + missing}},
	} {
		_, err := f.Values()
		if sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(err.Error(), want) || sx.AsError(err).Hint == sx.CodeInvalid.Hint() {
			t.Errorf("%s: got %v, hint %q", want, err, sx.AsError(err).Hint)
		}
	}
}

func TestValuesWithSecrets(t *testing.T) {
	t.Parallel()
	all := map[string]any{"global": map[string]any{"imageRegistry": "r"}}
	values.WithSecrets(all, "abc")
	raw, err := yaml.Marshal(all)
	if want := "global:\n  imageRegistry: r\n  secrets:\n    create: false\n    revision: abc\n"; string(raw) != want || err != nil {
		t.Errorf("got %s, %v", raw, err)
	}
}
