package chart_test

import (
	"slices"
	"testing"

	"github.com/Masterminds/semver/v3"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/server/sx"
)

// TestVersions checks that for every name of a build, Helm accepts the chart's
// version and registries accept the images' tag.
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
		if got := [2]string{chart.Semantic(version), chart.Tag(version)}; got != want {
			t.Errorf("%s: got %q, want %q", version, got, want)
		}
		if _, err := semver.StrictNewVersion(chart.Semantic(version)); err != nil {
			t.Errorf("%s: %v", version, err)
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
