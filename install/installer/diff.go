package installer

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/manifest"
)

// Change is an object that an install would add, change or remove.
type Change struct {
	Object string `json:"object"` // Kind/name
	Change string `json:"change"` // added, changed or removed
	// Drift is true for a change that somebody has made in the cluster since the last
	// install, and that an install would revert.
	Drift bool `json:"drift"`
	// Restarts says why the pods of a workload would be replaced; "" if they would not.
	Restarts string `json:"restarts,omitempty"`
	Diff     string `json:"diff"` // unified; the data of Secrets is masked
}

// Diff compares the objects in the cluster with what an install would make of them,
// by a dry run of each change. What would not change is not listed.
func (in *Installer) Diff(ctx context.Context, request InstallRequest) ([]Change, error) {
	p, err := in.preview(ctx, request)
	if err != nil {
		return nil, err
	}
	last, err := byName(p.base)
	if err != nil {
		return nil, err
	}
	desired, err := byName(p.rendered.Manifest)
	if err != nil {
		return nil, err
	}
	if err := in.checkVolumes(ctx, p.rendered.Manifest, false); err != nil {
		return nil, err
	}
	changes, err := secretChanges(p)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(last)
	maps.Copy(all, desired)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var more []Change
		if desired[name] == nil {
			more, err = in.removed(ctx, last[name])
		} else {
			more, err = in.applied(ctx, last[name], desired[name])
		}
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	return changes, nil
}

// applied lists what an install would change in an object: what was requested, and what
// it would revert.
func (in *Installer) applied(ctx context.Context, last, desired *unstructured.Unstructured) ([]Change, error) {
	c, err := in.compare(ctx, last, desired)
	switch {
	case err != nil:
		return nil, err
	case c.live == nil:
		added := Change{Object: manifest.Name(desired), Change: "added", Drift: last != nil}
		added.Diff, err = unified(added.Object, nil, desired)
		return []Change{added}, err
	case !c.changes():
		return nil, nil
	}
	var changes []Change
	restarts := restartReason(c.live, c.result)
	add := func(from, to *unstructured.Unstructured, drift bool) error {
		change := Change{Object: manifest.Name(desired), Change: "changed", Drift: drift, Restarts: restarts}
		restarts = "" // reported only once
		var err error
		change.Diff, err = unified(change.Object, from.DeepCopy(), to.DeepCopy())
		changes = append(changes, change)
		return err
	}
	if !reflect.DeepEqual(c.live.Object, c.requested.Object) {
		if err := add(c.live, c.requested, false); err != nil {
			return nil, err
		}
	}
	if c.drifted() {
		if err := add(c.requested, c.result, true); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// removed lists an object of the last manifest that an install would delete.
func (in *Installer) removed(ctx context.Context, last *unstructured.Unstructured) ([]Change, error) {
	resource, err := in.resource(last)
	if meta.IsNoMatchError(err) {
		return nil, nil // its kind was removed from the cluster
	}
	if err != nil {
		return nil, err
	}
	live, err := resource.Get(ctx, last.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, in.Cluster.WrapError(fmt.Errorf("read %s: %w", manifest.Name(last), err))
	case live.GetAnnotations()["helm.sh/resource-policy"] == "keep":
		return nil, nil
	}
	c := Change{Object: manifest.Name(last), Change: "removed"}
	c.Diff, err = unified(c.Object, last, nil)
	return []Change{c}, err
}

// secretChanges lists the Secrets that an install would create or complete. They are not
// in the manifest.
func secretChanges(p *plan) ([]Change, error) {
	var changes []Change
	for _, s := range p.secrets.Changes() {
		c := Change{Object: "Secret/" + s.After.Name, Change: "added", Drift: p.last != nil}
		before, err := unstructuredSecret(s.Before)
		if err != nil {
			return nil, err
		}
		if before != nil {
			c.Change = "changed"
		}
		after, err := unstructuredSecret(s.After)
		if err != nil {
			return nil, err
		}
		if c.Diff, err = unified(c.Object, before, after); err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func unstructuredSecret(s *corev1.Secret) (*unstructured.Unstructured, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // nothing was there before
	}
	o, err := runtime.DefaultUnstructuredConverter.ToUnstructured(s)
	if err != nil {
		return nil, fmt.Errorf("read the Secret %s: %w", s.Name, err)
	}
	u := &unstructured.Unstructured{Object: o}
	u.SetAPIVersion("v1")
	u.SetKind("Secret")
	return stored(u), nil
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
	if err := in.checkVolumes(ctx, text, false); err != nil {
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
	if p.last == nil { // otherwise the comparison is right, whoever manages the release
		if err := in.refuseManaged(ctx, false, "change its values there"); err != nil {
			return nil, err
		}
	}
	return p, in.Runner.DryRun(ctx, p.rendered)
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
