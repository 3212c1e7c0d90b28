// Package chart describes the embedded Helm chart without linking Helm: its
// versions, its presets and the images of rendered manifests.
package chart

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/charts"
	"github.com/soundextract/sx/server/sx"
)

// Semantic returns the chart's version, which must be a semantic version: for a
// build between releases it is 0.0.0- followed by the build's name.
func Semantic(version string) string {
	if v, err := semver.NewVersion(version); err == nil && strings.Count(version, ".") >= 2 {
		return v.String()
	}
	name := strings.TrimLeft(strings.Map(semantic, version), "-")
	if _, err := semver.StrictNewVersion("0.0.0-" + name); err != nil { // such as a commit hash of only digits
		name = "build-" + name
	}
	return "0.0.0-" + name
}

func semantic(r rune) rune {
	if r < 128 && (r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
		return r
	}
	return '-'
}

// Tag returns the tag of a version's images. Characters that are not allowed in a tag
// become dashes.
func Tag(version string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '_' {
			return r
		}
		return semantic(r)
	}, version)
}

// Presets lists the names of the presets.
func Presets() []string {
	names, err := fs.Glob(charts.FS, "presets/*.yaml")
	if err != nil {
		panic(err) // only for a malformed pattern
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(path.Base(name), ".yaml")
	}
	slices.Sort(names)
	return names
}

// Preset returns the values of a preset. An unknown name is an *sx.Error of code
// invalid.
func Preset(name string) (map[string]any, error) {
	if !slices.Contains(Presets(), name) {
		return nil, sx.NewError(sx.CodeInvalid, "preset %q not found", name).
			WithHint("choose one of: %s", strings.Join(Presets(), ", "))
	}
	data, err := fs.ReadFile(charts.FS, "presets/"+name+".yaml")
	if err != nil {
		return nil, fmt.Errorf("read the preset %s: %w", name, err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(data, &values); err != nil {
		return nil, fmt.Errorf("read the preset %s: %w", name, err)
	}
	return values, nil
}

// Defaults returns the chart's values.
func Defaults() map[string]any {
	data, err := fs.ReadFile(charts.FS, "soundextract/values.yaml")
	if err != nil {
		panic(err) // it is embedded
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(data, &values); err != nil {
		panic(err) // it is the same in every run
	}
	return values
}
