package values

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Source says where a value comes from.
type Source struct {
	// From is one of: preset NAME, file NAME, --set, --set-string, --set-file,
	// --image-registry, --image-pull-secret.
	From string `json:"from"`
	// Revision is the one that introduced the value; 0 means an earlier installation.
	Revision int `json:"revision,omitempty"`
}

// Sources has the source of each value by its name, as in Leaves.
type Sources map[string]Source

// Leaves returns the single values of nested ones by their names, as --set accepts them:
// gateway.replicas. A list is one value.
func Leaves(all map[string]any) map[string]any {
	leaves := map[string]any{}
	add(leaves, "", all)
	return leaves
}

func add(leaves map[string]any, prefix string, all map[string]any) {
	for key, value := range all {
		name := prefix + strings.ReplaceAll(key, ".", `\.`)
		if inner, ok := value.(map[string]any); ok && len(inner) > 0 {
			add(leaves, name+".", inner)
			continue
		}
		leaves[name] = value
	}
}

// set records that a layer of values comes from a source.
func (s Sources) set(layer map[string]any, from string) {
	for name := range Leaves(layer) {
		s[name] = Source{From: from}
	}
}

// Over returns the sources of merged, which are values that were merged over earlier
// ones: for each name, the source in s with the revision that introduces it, or else the
// earlier source.
func (s Sources) Over(earlier Sources, merged map[string]any, revision int) Sources {
	all := Sources{}
	for name := range Leaves(merged) {
		given, ok := s[name]
		if ok {
			given.Revision = revision
			all[name] = given
		} else if kept, ok := earlier[name]; ok {
			all[name] = kept
		}
	}
	return all
}

// Difference is a value that differs between two sets of values.
type Difference struct {
	Value  string `json:"value"`  // its name
	Before any    `json:"before"` // null: the chart's default
	After  any    `json:"after"`
}

// String describes the difference in a few words.
func (d Difference) String() string {
	return fmt.Sprintf("%s: %s → %s", d.Value, Text(d.Before), Text(d.After))
}

// Text returns a value in one line.
func Text(value any) string {
	switch v := value.(type) {
	case nil:
		return "default"
	case string:
		if v == "" {
			return `""`
		}
		return v
	default:
		return fmt.Sprint(v)
	}
}

// Differences lists the values that differ, by name, without those that sx sets itself.
// Secret ones are masked.
func Differences(before, after map[string]any) []Difference {
	a, b := Leaves(before), Leaves(after)
	names := maps.Clone(a)
	maps.Copy(names, b)
	var all []Difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if IsOwn(name) || same(a[name], b[name]) {
			continue
		}
		all = append(all, Difference{Value: name, Before: Mask(name, a[name]), After: Mask(name, b[name])})
	}
	return all
}

// same compares values that may have been decoded from YAML or JSON.
func same(a, b any) bool { return fmt.Sprintf("%#v", plain(a)) == fmt.Sprintf("%#v", plain(b)) }

func plain(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = plain(v[i])
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for key := range v {
			all[key] = plain(v[key])
		}
		return all
	}
	return v
}

// IsOwn reports whether sx sets a value itself: those of WithSecrets.
func IsOwn(name string) bool { return strings.HasPrefix(name, "global.secrets.") }

// WithoutOwn returns values without those that sx sets itself.
func WithoutOwn(all map[string]any) map[string]any {
	g, ok := all["global"].(map[string]any)
	if !ok || g["secrets"] == nil {
		return all
	}
	all, g = maps.Clone(all), maps.Clone(g)
	delete(g, "secrets")
	all["global"] = g
	if len(g) == 0 {
		delete(all, "global")
	}
	return all
}
