package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soundextract/sx/server/sx"
)

// autoscaling checks that what the release's autoscaler reads exists.
func autoscaling(_ context.Context, env *Env) error {
	objects, err := env.objects()
	if err != nil {
		return err
	}
	switch {
	case objects.has("ScaledObject"):
		return Pass("KEDA scales the converters by the number of waiting jobs")
	case !objects.has("HorizontalPodAutoscaler"):
		return Skip("", "autoscaling is off")
	}
	groups, err := env.Cluster.Client.Discovery().ServerGroups()
	if err != nil {
		return env.accessError(err, "list the APIs")
	}
	if !slices.ContainsFunc(groups.Groups, func(g metav1.APIGroup) bool { return g.Name == "metrics.k8s.io" }) {
		return sx.NewError(sx.CodeUnavailable, "the autoscaler cannot read the converters' CPU use, and would not scale them: the cluster has no metrics-server, and no KEDA")
	}
	return Pass("metrics-server reports the CPU use by which the converters are scaled; KEDA, which scales by waiting jobs, is not installed")
}

const defaultIngressClass = "ingressclass.kubernetes.io/is-default-class"

// ingressClass checks that a controller will serve the Ingress.
func ingressClass(ctx context.Context, env *Env) error {
	objects, err := env.objects()
	if err != nil {
		return err
	}
	if len(objects.ingresses) == 0 {
		return Skip("", "the release has no Ingress")
	}
	list, err := env.Cluster.Client.NetworkingV1().IngressClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return env.accessError(err, "list the Ingress classes")
	}
	var existing []string
	for _, c := range list.Items {
		existing = append(existing, c.Name)
	}
	available := cmp.Or(strings.Join(existing, ", "), "none")
	for _, i := range objects.ingresses {
		switch class := i.Spec.IngressClassName; {
		case class != nil && !slices.Contains(existing, *class):
			return &severityOverride{sx.NewError(sx.CodeInvalid, "Ingress class %q not found; available: %s", *class, available), Fatal}
		case class == nil && !slices.ContainsFunc(list.Items, func(c networkingv1.IngressClass) bool { return c.Annotations[defaultIngressClass] == "true" }):
			return sx.NewError(sx.CodeInvalid, "the Ingress names no class, and the cluster has no default one; available: %s", available)
		}
	}
	return nil
}

// gatewayAPI checks that the Gateways of the HTTPRoute exist.
func gatewayAPI(ctx context.Context, env *Env) error {
	objects, err := env.objects()
	if err != nil {
		return err
	}
	if len(objects.routes) == 0 {
		return Skip("", "the release has no HTTPRoute")
	}
	gateways := schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
	if _, err := env.Cluster.Mapper.KindFor(gateways); err != nil {
		return sx.NewError(sx.CodeInvalid, "the release has an HTTPRoute, and the cluster no Gateway API").
			WithHint("install its CRDs and a controller for it, or expose the server otherwise: gateway.httpRoute.enabled=false")
	}
	if env.Cluster.Dynamic == nil {
		return Skip("", "no connection to the cluster")
	}
	for _, route := range objects.routes {
		parents, _, _ := unstructured.NestedSlice(route.Object, "spec", "parentRefs")
		for _, p := range parents {
			parent, _ := p.(map[string]any)
			kind, _ := parent["kind"].(string)
			name, _ := parent["name"].(string)
			namespace, _ := parent["namespace"].(string)
			if kind != "" && kind != "Gateway" {
				continue
			}
			namespace = cmp.Or(namespace, env.Cluster.Namespace)
			_, err := env.Cluster.Dynamic.Resource(gateways).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
			switch {
			case apierrors.IsNotFound(err):
				return sx.NewError(sx.CodeInvalid, "Gateway %s not found in the namespace %s", name, namespace)
			case err != nil:
				return env.accessError(err, fmt.Sprintf("read the Gateway %s", name))
			}
		}
	}
	return nil
}
