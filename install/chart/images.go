package chart

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soundextract/sx/install/manifest"
)

// Images lists the images of all pods in rendered manifests, sorted and without
// duplicates.
func Images(manifests string) ([]string, error) {
	objects, err := manifest.Parse(manifests)
	if err != nil {
		return nil, err
	}
	var images []string
	for _, o := range objects {
		images = append(images, podImages(o, "spec")...)                     // of a pod
		images = append(images, podImages(o, "spec", "template", "spec")...) // of a workload
	}
	slices.Sort(images)
	return slices.Compact(images), nil
}

// podImages lists the images of the pod spec at a path, if there is one.
func podImages(o *unstructured.Unstructured, path ...string) []string {
	var images []string
	for _, field := range []string{"initContainers", "containers"} {
		containers, _, _ := unstructured.NestedSlice(o.Object, slices.Concat(path, []string{field})...)
		for _, c := range containers {
			container, _ := c.(map[string]any)
			if image, ok := container["image"].(string); ok {
				images = append(images, image)
			}
		}
	}
	return images
}
