package chart_test

import (
	"slices"
	"testing"

	"github.com/Masterminds/semver/v3"
	helm "helm.sh/helm/v3/pkg/chart"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/server/sx"
)

func load(t *testing.T, version string) *helm.Chart {
	t.Helper()
	c, err := chart.Load(version)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestVersions: whatever a build calls itself, Helm takes the chart's version and
// registries the images' tag.
func TestVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string][2]string{
		"1.2.3":               {"1.2.3", "1.2.3"},
		"1.2.3-rc.1":          {"1.2.3-rc.1", "1.2.3-rc.1"},
		"dev":                 {"0.0.0-dev", "dev"},
		"b1c293d-dirty":       {"0.0.0-b1c293d-dirty", "b1c293d-dirty"},
		"0123456":             {"0.0.0-build-0123456", "0123456"},
		"1.2.3.4":             {"0.0.0-1-2-3-4", "1.2.3.4"},
		"v1.2.3-4-gabc+dirty": {"1.2.3-4-gabc+dirty", "v1.2.3-4-gabc-dirty"},
		"of my_own/branch":    {"0.0.0-of-my-own-branch", "of-my_own-branch"},
	} {
		c := load(t, version)
		if got := [2]string{c.Metadata.Version, c.Metadata.AppVersion}; got != want {
			t.Errorf("%s: got %q, want %q", version, got, want)
		}
		if _, err := semver.StrictNewVersion(c.Metadata.Version); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		if err := c.Validate(); err != nil || len(c.Dependencies()) != 6 {
			t.Errorf("%s: %d parts, %v", version, len(c.Dependencies()), err)
		}
	}
}

func TestPresets(t *testing.T) {
	t.Parallel()
	if got := chart.Presets(); !slices.Equal(got, []string{"production", "quickstart"}) {
		t.Errorf("got %v", got)
	}
	for _, name := range []string{"enormous", "", "../soundextract/values"} {
		if _, err := chart.Preset(name); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
