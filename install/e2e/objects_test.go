//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// objects lists the objects in the namespace, as Kind/name, without events and
// those that Kubernetes creates itself.
func (o *operator) objects() []string {
	o.t.Helper()
	kinds, err := cluster.Client.Discovery().ServerPreferredResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		o.t.Fatal(err)
	}
	var all []string
	for _, r := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, kinds) {
		for _, kind := range r.APIResources {
			if !kind.Namespaced || strings.HasPrefix(kind.Kind, "Event") {
				continue
			}
			all = append(all, o.objectsOf(r.GroupVersion, kind)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (o *operator) objectsOf(groupVersion string, kind metav1.APIResource) []string {
	o.t.Helper()
	version, err := schema.ParseGroupVersion(groupVersion)
	if err != nil {
		o.t.Fatal(err)
	}
	list, err := cluster.Dynamic.Resource(version.WithResource(kind.Name)).
		Namespace(o.namespace).List(o.ctx, metav1.ListOptions{})
	if err != nil {
		o.t.Fatalf("list %s: %v", kind.Name, err)
	}
	var all []string
	for _, item := range list.Items {
		name := fmt.Sprintf("%s/%s", kind.Kind, item.GetName())
		if name == "ConfigMap/kube-root-ca.crt" || name == "ServiceAccount/default" {
			continue
		}
		all = append(all, name)
	}
	return all
}

// onlyLeft checks that only objects of the given kinds are left, and at least one
// of each.
func (o *operator) onlyLeft(what string, kinds ...string) {
	o.t.Helper()
	left := o.objects()
	for _, name := range left {
		if !slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(name, k+"/") }) {
			o.t.Errorf("%s is left after uninstall", name)
		}
	}
	for _, k := range kinds {
		if !slices.ContainsFunc(left, func(name string) bool { return strings.HasPrefix(name, k+"/") }) {
			o.t.Errorf("%s was deleted: no %s among %v", what, k, left)
		}
	}
}
