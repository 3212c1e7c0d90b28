// Package values makes the chart's values of what the operator gives: a preset,
// files and single settings, the later over the earlier.
package values

import (
	"fmt"
	"os"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/server/sx"
)

// Flags are what the operator gives, as Helm's flags of the same names.
type Flags struct {
	Preset    string   // "" is none
	Files     []string // -f: YAML files
	Set       []string // --set: gateway.replicas=2,auth.registration=closed
	SetString []string // --set-string: likewise, but always text
	SetFile   []string // --set-file: the value is what the file holds

	ImageRegistry   string // for every image, in place of its own registry
	ImagePullSecret string // the name of the Secret to pull images with
}

// Values merges them. What cannot be read is an *sx.Error of code invalid.
func (f Flags) Values() (map[string]any, error) {
	all := map[string]any{}
	if f.Preset != "" {
		preset, err := chart.Preset(f.Preset)
		if err != nil {
			return nil, err
		}
		all = preset
	}
	for _, name := range f.Files {
		more, err := read(name)
		if err != nil {
			return nil, err
		}
		all = chartutil.MergeTables(more, all) // keeps null, which takes a default away
	}
	for _, kind := range []struct {
		flag, like string
		given      []string
		parse      func(string, map[string]any) error
	}{
		{"--set", "gateway.replicas=2", f.Set, strvals.ParseInto},
		{"--set-string", "gateway.quota=50GiB", f.SetString, strvals.ParseIntoString},
		{"--set-file", "KEY=PATH", f.SetFile, fromFile},
	} {
		for _, s := range kind.given {
			if err := kind.parse(s, all); err != nil {
				return nil, sx.NewError(sx.CodeInvalid, "%s %s cannot be used: %v", kind.flag, s, err).
					WithHint("write it like %s %s", kind.flag, kind.like).WithCause(err)
			}
		}
	}
	if f.ImageRegistry != "" {
		global(all)["imageRegistry"] = strings.TrimSuffix(f.ImageRegistry, "/")
	}
	if f.ImagePullSecret != "" {
		global(all)["imagePullSecrets"] = []any{f.ImagePullSecret}
	}
	return all, nil
}

// global gives the part of the values that all charts share, made if it is missing.
func global(all map[string]any) map[string]any {
	g, ok := all["global"].(map[string]any)
	if !ok {
		g = map[string]any{}
		all["global"] = g
	}
	return g
}

// WithSecrets adds what sx says of the Secrets that it has made.
func WithSecrets(all map[string]any, revision string) {
	global(all)["secrets"] = map[string]any{"create": false, "revision": revision}
}

func read(name string) (map[string]any, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "the values cannot be read: %v", err).
			WithHint("give -f the path of a YAML file").WithCause(err)
	}
	all := map[string]any{}
	if err := yaml.Unmarshal(data, &all); err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "%s is not YAML: %v", name, err).
			WithHint("correct the file").WithCause(err)
	}
	return all, nil
}

func fromFile(s string, all map[string]any) error {
	return strvals.ParseIntoFile(s, all, func(path []rune) (any, error) {
		data, err := os.ReadFile(string(path))
		if err != nil {
			return nil, fmt.Errorf("read the value: %w", err)
		}
		return string(data), nil
	})
}
