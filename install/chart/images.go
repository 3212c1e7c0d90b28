package chart

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Images lists the images that the pods of rendered manifests run, sorted, each
// once.
func Images(manifests string) ([]string, error) {
	var all []string
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifests)))
	for {
		raw, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read what was rendered: %w", err)
		}
		// A pod has its containers in its spec, a workload in that of its template.
		var object struct {
			Spec struct {
				corev1.PodSpec `json:",inline"`
				Template       struct {
					Spec corev1.PodSpec `json:"spec"`
				} `json:"template"`
			} `json:"spec"`
		}
		var kind struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal(raw, &kind); err != nil {
			return nil, fmt.Errorf("read what was rendered: %w", err)
		}
		if !slices.Contains([]string{"Pod", "Deployment", "StatefulSet"}, kind.Kind) {
			continue
		}
		if err := yaml.Unmarshal(raw, &object); err != nil {
			return nil, fmt.Errorf("read what was rendered: %w", err)
		}
		for _, pod := range []corev1.PodSpec{object.Spec.PodSpec, object.Spec.Template.Spec} {
			for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
				all = append(all, c.Image)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
