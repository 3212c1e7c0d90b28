// Package manifest reads rendered manifests as objects.
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

// Parse gives the objects of YAML documents in their order. Documents that hold
// nothing but comments are left out.
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

// Name is how an object is called for a person: Kind/name.
func Name(o *unstructured.Unstructured) string { return o.GetKind() + "/" + o.GetName() }

// Hidden stands in the place of what a Secret holds.
const Hidden = "(hidden)"

// Mask replaces what a Secret holds; of another object nothing. changed, which
// may be nil, says which keys get a mark because they differ.
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
