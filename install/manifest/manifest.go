// Package manifest parses rendered manifests.
package manifest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Parse returns the objects of YAML documents in their order. Documents that contain
// only comments are skipped.
func Parse(text string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		raw, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the manifest: %w", err)
		}
		object := map[string]any{}
		if err := yaml.Unmarshal(raw, &object); err != nil {
			return nil, fmt.Errorf("read the manifest: %w", err)
		}
		if len(object) > 0 {
			all = append(all, &unstructured.Unstructured{Object: object})
		}
	}
}

// Name returns Kind/name.
func Name(o *unstructured.Unstructured) string { return o.GetKind() + "/" + o.GetName() }

// Hidden replaces the values of a Secret.
const Hidden = "(hidden)"

// Mask hides the values of a Secret and leaves other objects unchanged. Keys for which
// changed, which may be nil, returns true are marked.
func Mask(o *unstructured.Unstructured, changed func(key string) bool) {
	if o.GetKind() != "Secret" {
		return
	}
	for _, field := range []string{"data", "stringData"} {
		values, ok := o.Object[field].(map[string]any)
		if !ok {
			continue
		}
		for key := range values {
			values[key] = Hidden
			if changed != nil && changed(key) {
				values[key] = Hidden + " changed"
			}
		}
	}
}
