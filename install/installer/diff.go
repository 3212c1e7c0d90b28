package installer

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/manifest"
)

// Change is an object that an install would add, change or remove.
type Change struct {
	Object string `json:"object"` // Kind/name
	Change string `json:"change"` // added, changed or removed
	Diff   string `json:"diff"`   // unified; the data of Secrets is masked
}

// Diff compares the installed release with what an install would apply.
func (in *Installer) Diff(ctx context.Context, request InstallRequest) ([]Change, error) {
	p, err := in.preview(ctx, request)
	if err != nil {
		return nil, err
	}
	before := ""
	if p.last != nil {
		before = p.last.Manifest
	}
	return changed(before, p.rendered.Manifest)
}

// Manifest returns what an install would apply, checked by the API server as far as
// that is possible before the namespace exists. checked is false if only the schema
// could be checked.
func (in *Installer) Manifest(ctx context.Context, request InstallRequest) (text string, checked bool, err error) {
	p, err := in.preview(ctx, request)
	if err != nil {
		return "", false, err
	}
	text = p.rendered.Manifest
	exists, err := in.namespaceExists(ctx)
	if err != nil || !exists {
		return text, false, err
	}
	if err := in.checkVolumes(ctx, text); err != nil {
		return text, true, err
	}
	return text, true, in.dryRun(ctx, text)
}

// preview plans an install and lets Helm compare it with what exists.
func (in *Installer) preview(ctx context.Context, request InstallRequest) (*plan, error) {
	p, err := in.plan(ctx, request)
	if err != nil {
		return nil, err
	}
	if p.accessErr != nil {
		return nil, p.accessErr
	}
	return p, in.Runner.DryRun(ctx, p.rendered)
}

func changed(before, after string) ([]Change, error) {
	old, err := byName(before)
	if err != nil {
		return nil, err
	}
	desired, err := byName(after)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(old)
	maps.Copy(all, desired)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a, b := old[name], desired[name]
		if a != nil && b != nil && reflect.DeepEqual(a.Object, b.Object) {
			continue
		}
		c := Change{Object: name, Change: "changed"}
		switch {
		case a == nil:
			c.Change = "added"
		case b == nil:
			c.Change = "removed"
		}
		if c.Diff, err = unified(name, a, b); err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func byName(text string) (map[string]*unstructured.Unstructured, error) {
	objects, err := manifest.Parse(text)
	if err != nil {
		return nil, err
	}
	all := map[string]*unstructured.Unstructured{}
	for _, o := range objects {
		all[manifest.Name(o)] = o
	}
	return all, nil
}

func unified(name string, a, b *unstructured.Unstructured) (string, error) {
	if b != nil {
		manifest.Mask(b, func(key string) bool { return a == nil || !sameKey(a, b, key) })
	}
	if a != nil {
		manifest.Mask(a, nil)
	}
	before, err := text(a)
	if err != nil {
		return "", err
	}
	after, err := text(b)
	if err != nil {
		return "", err
	}
	out := diff.Diff(name, before, name, after)
	_, out, _ = bytes.Cut(out, []byte("\n")) // its first line is not part of a unified diff
	return string(out), nil
}

func sameKey(a, b *unstructured.Unstructured, key string) bool {
	for _, field := range []string{"data", "stringData"} {
		x, _, _ := unstructured.NestedFieldNoCopy(a.Object, field, key)
		y, _, _ := unstructured.NestedFieldNoCopy(b.Object, field, key)
		if !reflect.DeepEqual(x, y) {
			return false
		}
	}
	return true
}

func text(o *unstructured.Unstructured) ([]byte, error) {
	if o == nil {
		return nil, nil
	}
	out, err := yaml.Marshal(o.Object)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", manifest.Name(o), err)
	}
	return out, nil
}
