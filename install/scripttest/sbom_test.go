//go:build snapshot

package scripttest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestSBOM checks the lists of components in the release's SBOMs.
func TestSBOM(t *testing.T) {
	s := built(t)
	sums, err := os.ReadFile(filepath.Join(s.dir, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for program, part := range map[string]string{"sx": "helm.sh/helm/v3", "sxd": "go.etcd.io/bbolt"} {
		name := program + "_" + s.Version + "_" + runtime.GOOS + "_" + runtime.GOARCH + ".sbom.json"
		raw, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var bom struct {
			Metadata struct {
				Timestamp string
				Component struct{ Version string }
			}
			SerialNumber string
			Components   []struct{ Name, Version string }
		}
		if err := json.Unmarshal(raw, &bom); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := bom.Metadata.Component.Version; got != s.Version {
			t.Errorf("%s has version %q, want %q", name, got, s.Version)
		}
		if bom.Metadata.Timestamp != "" || bom.SerialNumber != "" {
			t.Errorf("%s has a timestamp or serial number, so it is not reproducible", name)
		}
		found := false
		for _, c := range bom.Components {
			found = found || c.Name == part && strings.HasPrefix(c.Version, "v")
		}
		if !found {
			t.Errorf("%s does not list %s", name, part)
		}
		if !strings.Contains(string(sums), name) {
			t.Errorf("checksums.txt does not list %s", name)
		}
	}
}
