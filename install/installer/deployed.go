package installer

import (
	"context"
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/release"
)

// Deployed returns the newest revision of the release. If there is none, but Argo CD,
// Flux or kubectl manages objects of the release, it returns revision 0 with a manifest
// of the workloads and Ingresses. It returns nil if there is nothing.
func (in *Installer) Deployed(ctx context.Context) (*release.Info, error) {
	last, err := in.Runner.Last(ctx)
	if err != nil || last != nil {
		return last, err
	}
	selected := in.selector()
	ns := in.Cluster.Namespace
	deployments, err := in.Cluster.Client.AppsV1().Deployments(ns).List(ctx, selected)
	if err != nil {
		return nil, in.Cluster.WrapError(fmt.Errorf("list the deployments: %w", err))
	}
	if len(deployments.Items) == 0 {
		return nil, nil //nolint:nilnil // nothing is no error
	}
	sets, err := in.Cluster.Client.AppsV1().StatefulSets(ns).List(ctx, selected)
	if err != nil {
		return nil, in.Cluster.WrapError(fmt.Errorf("list the stateful sets: %w", err))
	}
	ingresses, err := in.Cluster.Client.NetworkingV1().Ingresses(ns).List(ctx, selected)
	if err != nil && !apierrors.IsForbidden(err) { // a release without one does not need the permission
		return nil, in.Cluster.WrapError(fmt.Errorf("list the Ingresses: %w", err))
	}
	first := deployments.Items[0]
	info := &release.Info{Status: release.Deployed, Version: first.Labels["app.kubernetes.io/version"], Updated: first.CreationTimestamp.Time}
	var documents []string
	add := func(apiVersion, kind string, o any, meta *metav1.TypeMeta) {
		meta.APIVersion, meta.Kind = apiVersion, kind // lists leave them out
		text, marshalErr := yaml.Marshal(o)
		if marshalErr != nil {
			err = fmt.Errorf("format the objects: %w", marshalErr)
		}
		documents = append(documents, string(text))
	}
	for _, d := range deployments.Items {
		if d.CreationTimestamp.After(info.Updated) {
			info.Updated = d.CreationTimestamp.Time
		}
		add("apps/v1", "Deployment", &d, &d.TypeMeta)
	}
	for _, s := range sets.Items {
		add("apps/v1", "StatefulSet", &s, &s.TypeMeta)
	}
	if err != nil {
		ingresses, err = &networkingv1.IngressList{}, nil
	}
	for _, i := range ingresses.Items {
		add("networking.k8s.io/v1", "Ingress", &i, &i.TypeMeta)
	}
	info.Manifest = strings.Join(documents, "---\n")
	return info, err
}
