package check

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
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
	ingresses    []networkingv1.Ingress
	routes       []*unstructured.Unstructured // HTTPRoutes
	issued       []string                     // the Secrets that cert-manager creates
}

// parsedManifest is what was parsed of a manifest.
type parsedManifest struct {
	objects *objects
	err     error
}

// objects returns the objects of the rendered release, which no check may change. Without a
// release the check is skipped.
func (env *Env) objects() (*objects, error) { return env.parse(env.Manifest) }

// parse parses a manifest once: most checks need its objects, and parsing takes longer
// than the check itself.
func (env *Env) parse(text string) (*objects, error) {
	env.mu.Lock()
	defer env.mu.Unlock()
	p, known := env.parsed[text]
	if !known {
		p.objects, p.err = parse(text)
		if env.parsed == nil {
			env.parsed = map[string]parsedManifest{}
		}
		env.parsed[text] = p
	}
	return p.objects, p.err
}

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
	case "Certificate.cert-manager.io":
		name, _, err := unstructured.NestedString(object.Object, "spec", "secretName")
		o.issued = append(o.issued, name)
		return err
	case "HTTPRoute.gateway.networking.k8s.io":
		o.routes = append(o.routes, object)
	case "Ingress.networking.k8s.io":
		return add(object, &o.ingresses)
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

const labelComponent = "app.kubernetes.io/component"

// workload is a set of identical pods, each with its claims.
type workload struct {
	name      string
	component string // and name of its values
	replicas  int64
	pod       corev1.PodSpec
	claims    []corev1.PersistentVolumeClaim
}

// valuesOf returns the name of the values with the container's resources. MongoDB's pod
// has a second container, users, with values of its own.
func (w workload) valuesOf(c corev1.Container) string {
	if c.Name == "users" {
		return w.component + "." + c.Name
	}
	return w.component
}

func (o *objects) workloads() []workload {
	var all []workload
	for _, d := range o.deployments {
		all = append(all, workload{d.Name, d.Labels[labelComponent], replicas(d.Spec.Replicas), d.Spec.Template.Spec, nil})
	}
	for _, s := range o.statefulSets {
		all = append(all, workload{s.Name, s.Labels[labelComponent], replicas(s.Spec.Replicas), s.Spec.Template.Spec, s.Spec.VolumeClaimTemplates})
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

// has reports whether there is an object of the kind.
func (o *objects) has(kind string) bool {
	return slices.ContainsFunc(o.kinds, func(k schema.GroupVersionKind) bool { return k.Kind == kind })
}

// secrets lists the names of the Secrets that pods mount or read.
func (o *objects) secrets() []string {
	var names []string
	add := func(name string, optional *bool) {
		if name != "" && (optional == nil || !*optional) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, w := range o.workloads() {
		for _, v := range w.pod.Volumes {
			if v.Secret != nil {
				add(v.Secret.SecretName, v.Secret.Optional)
			}
		}
		for _, c := range slices.Concat(w.pod.InitContainers, w.pod.Containers) {
			for _, e := range c.Env {
				if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
					add(e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Optional)
				}
			}
		}
	}
	return names
}

// tlsSecrets lists the names of the Secrets with certificates: those of the Ingress, and
// those for TLS between the parts.
func (o *objects) tlsSecrets() []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, i := range o.ingresses {
		for _, t := range i.Spec.TLS {
			add(t.SecretName)
		}
	}
	for _, w := range o.workloads() {
		for _, v := range w.pod.Volumes {
			if v.Name == "tls" && v.Secret != nil {
				add(v.Secret.SecretName)
			}
		}
	}
	return names
}
