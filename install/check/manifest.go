package check

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/server/sx"
)

// objects is what the checks want to know of the rendered release.
type objects struct {
	kinds        []schema.GroupVersionKind
	deployments  []appsv1.Deployment
	statefulSets []appsv1.StatefulSet
	loose        []corev1.PersistentVolumeClaim
}

// parse reads the rendered release. Without one the check is skipped.
func parse(manifest string) (*objects, error) {
	if strings.TrimSpace(manifest) == "" {
		return &objects{}, Skip("", "nothing is rendered to check")
	}
	o := &objects{}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	for {
		raw, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return o, nil
		}
		if err == nil {
			err = o.add(raw)
		}
		if err != nil {
			return nil, sx.NewError(sx.CodeInvalid, "the rendered release is no YAML: %v", err).WithCause(err)
		}
	}
}

func (o *objects) add(raw []byte) error {
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(raw, &meta); err != nil || meta.Kind == "" {
		return err // nil for a document of comments
	}
	if kind := meta.GroupVersionKind(); !slices.Contains(o.kinds, kind) {
		o.kinds = append(o.kinds, kind)
	}
	switch meta.GroupVersionKind().GroupKind().String() {
	case "Deployment.apps":
		o.deployments = append(o.deployments, appsv1.Deployment{})
		return yaml.Unmarshal(raw, &o.deployments[len(o.deployments)-1])
	case "StatefulSet.apps":
		o.statefulSets = append(o.statefulSets, appsv1.StatefulSet{})
		return yaml.Unmarshal(raw, &o.statefulSets[len(o.statefulSets)-1])
	case "PersistentVolumeClaim":
		o.loose = append(o.loose, corev1.PersistentVolumeClaim{})
		return yaml.Unmarshal(raw, &o.loose[len(o.loose)-1])
	}
	return nil
}

// workload is a number of equal pods, each with its claims.
type workload struct {
	name     string
	replicas int64
	pod      corev1.PodSpec
	claims   []corev1.PersistentVolumeClaim
}

func (o *objects) workloads() []workload {
	var all []workload
	for _, d := range o.deployments {
		all = append(all, workload{d.Name, number(d.Spec.Replicas), d.Spec.Template.Spec, nil})
	}
	for _, s := range o.statefulSets {
		all = append(all, workload{s.Name, number(s.Spec.Replicas), s.Spec.Template.Spec, s.Spec.VolumeClaimTemplates})
	}
	return all
}

func number(replicas *int32) int64 {
	if replicas == nil {
		return 1
	}
	return int64(*replicas)
}

func (o *objects) claims() []corev1.PersistentVolumeClaim {
	all := slices.Clone(o.loose)
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
