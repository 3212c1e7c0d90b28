package installer

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soundextract/sx/install/manifest"
)

// restartReason says in a few words why an install would replace the pods of a workload,
// or "" if it would not: what differs in the templates of its pods.
func restartReason(live, result *unstructured.Unstructured) string {
	before, found, _ := unstructured.NestedMap(live.Object, "spec", "template")
	after, _, _ := unstructured.NestedMap(result.Object, "spec", "template")
	if !found || reflect.DeepEqual(before, after) {
		return ""
	}
	var reasons []string
	add := func(reason string) {
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	for _, field := range []string{"initContainers", "containers"} {
		containers := byContainer(before, field)
		for name, b := range byContainer(after, field) {
			a := containers[name]
			switch {
			case a == nil:
				add("container " + name)
			case a["image"] != b["image"]:
				add(fmt.Sprintf("image %v → %v", a["image"], b["image"]))
			}
			for _, key := range different(a, b) {
				if a != nil && key != "image" {
					add(key)
				}
			}
		}
	}
	specs := [2]map[string]any{}
	for i, template := range []map[string]any{before, after} {
		specs[i], _, _ = unstructured.NestedMap(template, "spec")
	}
	for _, key := range different(specs[0], specs[1]) {
		if key != "containers" && key != "initContainers" {
			add(key)
		}
	}
	for _, key := range []string{"labels", "annotations"} {
		a, _, _ := unstructured.NestedMap(before, "metadata", key)
		b, _, _ := unstructured.NestedMap(after, "metadata", key)
		for _, name := range different(a, b) {
			switch name {
			case annotationConfig:
				add("configuration")
			case annotationRevision:
				add("secrets")
			default:
				add(strings.TrimSuffix(key, "s") + " " + name)
			}
		}
	}
	slices.Sort(reasons)
	return strings.Join(reasons, ", ")
}

// annotationConfig is the annotation of RabbitMQ's pods with the digest of its
// configuration.
const annotationConfig = "soundextract.io/config"

// byContainer returns the containers of a pod template by name.
func byContainer(template map[string]any, field string) map[string]map[string]any {
	list, _, _ := unstructured.NestedSlice(template, "spec", field)
	all := map[string]map[string]any{}
	for _, c := range list {
		if container, ok := c.(map[string]any); ok {
			name, _ := container["name"].(string)
			all[name] = container
		}
	}
	return all
}

// different lists the keys whose values differ.
func different(a, b map[string]any) []string {
	var keys []string
	for key, value := range a {
		if !reflect.DeepEqual(value, b[key]) {
			keys = append(keys, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// announceRestarts warns that an install would restart MongoDB or RabbitMQ.
func (in *Installer) announceRestarts(ctx context.Context, p *plan) error {
	if p.last == nil {
		return nil
	}
	last, err := byName(p.base)
	if err != nil {
		return err
	}
	objects, err := manifest.Parse(p.rendered.Manifest)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() != "StatefulSet" {
			continue
		}
		c, err := in.compare(ctx, last[manifest.Name(o)], o)
		if err != nil {
			return err
		}
		if c.live == nil {
			continue
		}
		if reason := restartReason(c.live, c.result); reason != "" {
			in.warn("%s", in.restartText(c.result, reason))
		}
	}
	return nil
}

// restartText announces a restart of MongoDB or RabbitMQ.
func (in *Installer) restartText(set *unstructured.Unstructured, reason string) string {
	name := strings.TrimPrefix(set.GetName(), in.Release+"-")
	if replicas, _, _ := unstructured.NestedInt64(set.Object, "spec", "replicas"); replicas > 1 {
		return fmt.Sprintf("%s restarts, one node after the other (%s)", name, reason)
	}
	return fmt.Sprintf("%s restarts and does not answer for some seconds (%s)", name, reason)
}
