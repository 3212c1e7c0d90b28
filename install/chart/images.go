package chart

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soundextract/sx/install/manifest"
)

// Images lists the images that the pods of rendered manifests run, sorted, each
// once.
func Images(manifests string) ([]string, error) {
	objects, err := manifest.Parse(manifests)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, o := range objects {
		// A pod has its containers in its spec, a workload in that of its template.
		for _, path := range [][]string{{"spec"}, {"spec", "template", "spec"}} {
			for _, part := range []string{"initContainers", "containers"} {
				containers, _, _ := unstructured.NestedSlice(o.Object, slices.Concat(path, []string{part})...)
				for _, c := range containers {
					if c, ok := c.(map[string]any); ok {
						if image, ok := c["image"].(string); ok {
							all = append(all, image)
						}
					}
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
