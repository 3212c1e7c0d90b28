package check

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soundextract/sx/install/manifest"
	"github.com/soundextract/sx/server/sx"
)

// objects are the objects of the rendered release that the checks need.
type objects struct {
	kinds        []schema.GroupVersionKind
	deployments  []appsv1.Deployment
	statefulSets []appsv1.StatefulSet
	claimObjects []corev1.PersistentVolumeClaim
}

// parse reads the rendered release. Without one the check is skipped.
func parse(text string) (*objects, error) {
	if strings.TrimSpace(text) == "" {
		return &objects{}, Skip("", "no manifest to check")
	}
	rendered, err := manifest.Parse(text)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "%v", err).WithCause(err)
	}
	o := &objects{}
	for _, object := range rendered {
		if err := o.add(object); err != nil {
			return nil, sx.NewError(sx.CodeInvalid, "%s is not a valid object: %v", manifest.Name(object), err).WithCause(err)
		}
	}
	return o, nil
}

func (o *objects) add(object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	if !slices.Contains(o.kinds, kind) {
		o.kinds = append(o.kinds, kind)
	}
	switch kind.GroupKind().String() {
	case "Deployment.apps":
		return add(object, &o.deployments)
	case "StatefulSet.apps":
		return add(object, &o.statefulSets)
	case "PersistentVolumeClaim":
		return add(object, &o.claimObjects)
	}
	return nil
}

// add decodes the object and adds it to the list of its kind.
func add[T any](object *unstructured.Unstructured, list *[]T) error {
	var typed T
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed)
	*list = append(*list, typed)
	return err
}

// workload is a set of identical pods, each with its claims.
type workload struct {
	name     string
	replicas int64
	pod      corev1.PodSpec
	claims   []corev1.PersistentVolumeClaim
}

func (o *objects) workloads() []workload {
	var all []workload
	for _, d := range o.deployments {
		all = append(all, workload{d.Name, replicas(d.Spec.Replicas), d.Spec.Template.Spec, nil})
	}
	for _, s := range o.statefulSets {
		all = append(all, workload{s.Name, replicas(s.Spec.Replicas), s.Spec.Template.Spec, s.Spec.VolumeClaimTemplates})
	}
	return all
}

func replicas(n *int32) int64 {
	if n == nil {
		return 1
	}
	return int64(*n)
}

func (o *objects) claims() []corev1.PersistentVolumeClaim {
	all := slices.Clone(o.claimObjects)
	for _, s := range o.statefulSets {
		all = append(all, s.Spec.VolumeClaimTemplates...)
	}
	return all
}

func (o *objects) pullSecrets() []string {
	var names []string
	for _, w := range o.workloads() {
		for _, s := range w.pod.ImagePullSecrets {
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}
