// Package values merges the operator's values for the chart: a preset, files
// and single settings, where later ones override earlier ones.
package values

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/server/sx"
)

// Flags are the operator's values, from flags with the names and syntax of
// Helm's.
type Flags struct {
	Preset    string   // "" for none
	Files     []string // -f: YAML files
	Set       []string // --set: gateway.replicas=2,auth.registration=closed
	SetString []string // --set-string: the same, but always text
	SetFile   []string // --set-file: the value is the file's content

	ImageRegistry   string // replaces the registry of every image
	ImagePullSecret string // name of the Secret to pull images with
}

// Values returns the merged values. If input cannot be read, it returns an
// *sx.Error of code invalid.
func (f Flags) Values() (map[string]any, error) {
	all, _, err := f.Merge()
	return all, err
}

// Merge returns the merged values like Values, and where each comes from.
func (f Flags) Merge() (map[string]any, Sources, error) {
	all, sources := map[string]any{}, Sources{}
	if f.Preset != "" {
		preset, err := chart.Preset(f.Preset)
		if err != nil {
			return nil, nil, err
		}
		all = preset
		sources.set(preset, "preset "+f.Preset)
	}
	for _, name := range f.Files {
		more, err := read(name)
		if err != nil {
			return nil, nil, err
		}
		sources.set(more, "file "+filepath.Base(name))
		all = release.Override(more, all)
	}
	for _, kind := range []struct {
		flag, like string
		given      []string
		parse      func(string, map[string]any) error
	}{
		{"--set", "gateway.replicas=2", f.Set, release.Set},
		{"--set-string", "gateway.quota=50GiB", f.SetString, release.SetString},
		{"--set-file", "KEY=PATH", f.SetFile, fromFile},
	} {
		for _, s := range kind.given {
			layer := map[string]any{}
			err := kind.parse(s, all)
			if err == nil {
				err = kind.parse(s, layer) // again, because it changes items of existing lists
			}
			if err != nil {
				return nil, nil, sx.NewError(sx.CodeInvalid, "invalid %s %s: %v", kind.flag, s, err).
					WithHint("use the form %s %s", kind.flag, kind.like).WithCause(err)
			}
			sources.set(layer, kind.flag)
		}
	}
	if f.ImageRegistry != "" {
		global(all)["imageRegistry"] = strings.TrimSuffix(f.ImageRegistry, "/")
		sources["global.imageRegistry"] = Source{From: "--image-registry"}
	}
	if f.ImagePullSecret != "" {
		global(all)["imagePullSecrets"] = []any{f.ImagePullSecret}
		sources["global.imagePullSecrets"] = Source{From: "--image-pull-secret"}
	}
	return all, sources, nil
}

// global returns the values that all subcharts share; it adds them if they are missing.
func global(all map[string]any) map[string]any {
	g, ok := all["global"].(map[string]any)
	if !ok {
		g = map[string]any{}
		all["global"] = g
	}
	return g
}

// WithSecrets adds the values by which the chart knows that sx creates the
// Secrets, and their revision.
func WithSecrets(all map[string]any, revision string) {
	global(all)["secrets"] = map[string]any{"create": false, "revision": revision}
}

func read(name string) (map[string]any, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "cannot read the values: %v", err).
			WithHint("pass the path of a YAML file to -f").WithCause(err)
	}
	all := map[string]any{}
	if err := yaml.Unmarshal(data, &all); err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "%s is not valid YAML: %v", name, err).
			WithHint("correct the file").WithCause(err)
	}
	return all, nil
}

func fromFile(s string, all map[string]any) error {
	return release.SetFile(s, all, func(path string) (string, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read the value: %w", err)
		}
		return string(data), nil
	})
}
