package installer

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/soundextract/sx/install/manifest"
)

// comparison is what an install would make of one object of the cluster. Its objects
// contain no fields that only the API server sets.
type comparison struct {
	live *unstructured.Unstructured // nil: the object does not exist
	// requested is live with the differences between the last manifest and the new one.
	requested *unstructured.Unstructured
	// result is what the install would store: requested, with everything reverted that
	// somebody has changed in the cluster since the last install.
	result *unstructured.Unstructured
}

func (c comparison) changes() bool { return !reflect.DeepEqual(c.live.Object, c.result.Object) }

func (c comparison) drifted() bool { return !reflect.DeepEqual(c.requested.Object, c.result.Object) }

// compare lets the API server say what an install would make of an object, by a dry run
// of the patch that Helm sends: a three-way merge of the object's last manifest (nil if
// it had none), the new one and the live object.
func (in *Installer) compare(ctx context.Context, last, desired *unstructured.Unstructured) (comparison, error) {
	resource, err := in.resource(desired)
	if err != nil {
		return comparison{}, err
	}
	live, err := resource.Get(ctx, desired.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return comparison{}, nil
	case err != nil:
		return comparison{}, in.Cluster.WrapError(fmt.Errorf("read %s: %w", manifest.Name(desired), err))
	}
	if last == nil {
		last = desired // Helm adopts the object
	}
	wanted := desired
	if live.GetKind() == "StatefulSet" {
		// Kubernetes refuses other volumes; an install that enlarges them creates the
		// StatefulSet again.
		last, desired = withClaims(last, live), withClaims(desired, live)
	}
	patched := func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		kind, patch, err := mergePatch(last, desired, current)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", manifest.Name(desired), err)
		}
		if string(patch) == "{}" {
			return stored(live), nil
		}
		result, err := resource.Patch(ctx, desired.GetName(), kind, patch, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: "sx"})
		if err != nil {
			return nil, in.refused(desired, err)
		}
		return stored(result), nil
	}
	c := comparison{live: stored(live)}
	if c.result, err = patched(live); err != nil {
		return c, err
	}
	// Without the live object, the merge contains only the differences between the
	// manifests.
	if c.requested, err = patched(last); err != nil {
		return c, err
	}
	setSizes(c.result, wanted)
	setSizes(c.requested, wanted)
	return c, nil
}

// claimTemplates are the fields of the volume claims of a StatefulSet.
func claimTemplates(o *unstructured.Unstructured) []any {
	all, _, _ := unstructured.NestedSlice(o.Object, "spec", "volumeClaimTemplates")
	return all
}

// withClaims returns a StatefulSet with the volume claims of another one.
func withClaims(o, other *unstructured.Unstructured) *unstructured.Unstructured {
	claims := claimTemplates(other)
	o = o.DeepCopy()
	if len(claims) > 0 {
		_ = unstructured.SetNestedSlice(o.Object, claims, "spec", "volumeClaimTemplates") // fails only if spec is no object
	}
	return o
}

// setSizes sets the sizes of a StatefulSet's volumes to those of another one.
func setSizes(o, wanted *unstructured.Unstructured) {
	all := claimTemplates(o)
	for _, claim := range all {
		have, _ := claim.(map[string]any)
		for _, w := range claimTemplates(wanted) {
			want, _ := w.(map[string]any)
			name, _, _ := unstructured.NestedString(want, "metadata", "name")
			size, found, _ := unstructured.NestedFieldCopy(want, "spec", "resources", "requests", "storage")
			if own, _, _ := unstructured.NestedString(have, "metadata", "name"); own == name && found {
				_ = unstructured.SetNestedField(have, size, "spec", "resources", "requests", "storage")
			}
		}
	}
	if len(all) > 0 {
		_ = unstructured.SetNestedSlice(o.Object, all, "spec", "volumeClaimTemplates") // as above
	}
}

// mergePatch returns the patch that Helm sends. current is the live object, or last for
// the difference of the manifests alone, which is all that Helm sends for kinds that
// Kubernetes itself does not define.
func mergePatch(last, desired, current *unstructured.Unstructured) (types.PatchType, []byte, error) {
	var texts [3][]byte
	for i, o := range []*unstructured.Unstructured{last, desired, current} {
		var err error
		if texts[i], err = json.Marshal(o.Object); err != nil {
			return "", nil, err
		}
	}
	typed, err := scheme.Scheme.New(desired.GroupVersionKind())
	if err != nil {
		patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(texts[0], texts[1], texts[0])
		return types.MergePatchType, patch, err
	}
	fields, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return "", nil, err
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(texts[0], texts[1], texts[2], fields, true)
	return types.StrategicMergePatchType, patch, err
}

// stored returns an object without the fields that the API server sets.
func stored(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}
	delete(o.Object, "status")
	return o
}

// resource returns the API of an object's kind, in the namespace of the release unless the
// kind has none.
func (in *Installer) resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := o.GroupVersionKind()
	mapping, err := in.Cluster.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	resource := in.Cluster.Dynamic.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return resource.Namespace(in.Cluster.Namespace), nil
	}
	return resource, nil
}
