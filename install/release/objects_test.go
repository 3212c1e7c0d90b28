package release_test

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/server/sx"
)

// rendered contains the rendered objects as Kubernetes decodes them.
type rendered struct {
	kinds    map[string]int // by kind, of all objects
	objects  []runtime.Object
	workload map[string]workload // by component
}

type workload struct {
	replicas int32
	selector *metav1.LabelSelector
	pod      corev1.PodTemplateSpec
	claims   []corev1.PersistentVolumeClaim
}

// read rejects fields that Kubernetes does not know. Objects of custom kinds
// are only counted.
func read(t *testing.T, text string) rendered {
	t.Helper()
	r := rendered{kinds: map[string]int{}, workload: map[string]workload{}}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		raw, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return r
		}
		var head metav1.PartialObjectMetadata
		if err == nil {
			err = yaml.Unmarshal(raw, &head)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.kinds[head.Kind]++
		if head.Namespace != "music" || head.Labels["app.kubernetes.io/instance"] != "soundextract" {
			t.Errorf("%s %s is in namespace %q with labels %v", head.Kind, head.Name, head.Namespace, head.Labels)
		}
		if wrong := validation.IsDNS1123Label(head.Name); len(wrong) > 0 {
			t.Errorf("%s %s: %v", head.Kind, head.Name, wrong)
		}
		if !scheme.Scheme.Recognizes(head.GroupVersionKind()) {
			continue
		}
		object, err := scheme.Scheme.New(head.GroupVersionKind())
		if err == nil {
			err = yaml.UnmarshalStrict(raw, object)
		}
		if err != nil {
			t.Fatalf("%s %s: %v", head.Kind, head.Name, err)
		}
		r.add(head.Labels["app.kubernetes.io/component"], object)
	}
}

func (r *rendered) add(component string, object runtime.Object) {
	r.objects = append(r.objects, object)
	switch o := object.(type) {
	case *appsv1.Deployment:
		w := workload{replicas: 1, selector: o.Spec.Selector, pod: o.Spec.Template}
		if o.Spec.Replicas != nil {
			w.replicas = *o.Spec.Replicas
		}
		r.workload[component] = w
	case *appsv1.StatefulSet:
		r.workload[component] = workload{*o.Spec.Replicas, o.Spec.Selector, o.Spec.Template, o.Spec.VolumeClaimTemplates}
	case *corev1.Pod:
		r.workload[component] = workload{pod: corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}}
	}
}

func eachScenario(t *testing.T, fn func(t *testing.T, s scenario, r rendered)) {
	t.Helper()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			fn(t, s, read(t, s.render(t)))
		})
	}
}

// TestPodSecurity checks that each container meets the Pod Security level
// restricted and has a read-only root file system.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	eachScenario(t, func(t *testing.T, _ scenario, r rendered) {
		for component, w := range r.workload {
			pod := w.pod.Spec
			s := pod.SecurityContext
			if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0 ||
				s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Errorf("the pod of %s has the security context %+v", component, s)
			}
			if pod.HostNetwork || pod.HostPID || pod.HostIPC || pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
				t.Errorf("the pod of %s can access the node or the API server", component)
			}
			for _, v := range pod.Volumes {
				if v.HostPath != nil {
					t.Errorf("the pod of %s mounts %s of the node", component, v.HostPath.Path)
				}
			}
			for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
				s := c.SecurityContext
				if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
					s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 || s.Privileged != nil {
					t.Errorf("the container %s of %s has the security context %+v", c.Name, component, s)
				}
			}
		}
	})
}

// TestContainers checks that each container has requests, a memory limit and,
// if it keeps running, probes.
func TestContainers(t *testing.T) {
	t.Parallel()
	eachScenario(t, func(t *testing.T, _ scenario, r rendered) {
		for component, w := range r.workload {
			for _, c := range slices.Concat(w.pod.Spec.InitContainers, w.pod.Spec.Containers) {
				if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
					t.Errorf("the container %s of %s has the resources %v", c.Name, component, c.Resources)
				}
				if limit := c.Resources.Limits.Memory(); c.Resources.Requests.Memory().Cmp(*limit) > 0 {
					t.Errorf("the container %s of %s requests more memory than its limit %s", c.Name, component, limit)
				}
			}
			if component == "smoke" {
				continue
			}
			for _, c := range w.pod.Spec.Containers {
				if c.StartupProbe == nil || c.ReadinessProbe == nil || c.LivenessProbe == nil && component != "rabbitmq" {
					t.Errorf("the container %s of %s lacks a probe", c.Name, component)
				}
			}
			if len(w.pod.Spec.TopologySpreadConstraints) != 2 {
				t.Errorf("%s is spread by %v", component, w.pod.Spec.TopologySpreadConstraints)
			}
		}
	})
}

// TestReferences checks the references between objects.
func TestReferences(t *testing.T) {
	t.Parallel()
	eachScenario(t, func(t *testing.T, _ scenario, r rendered) {
		matched := func(kind, name string, selector *metav1.LabelSelector) []workload {
			s, err := metav1.LabelSelectorAsSelector(selector)
			if err != nil {
				t.Fatal(err)
			}
			var found []workload
			for _, w := range r.workload {
				if s.Matches(labels.Set(w.pod.Labels)) {
					found = append(found, w)
				}
			}
			if len(found) != 1 {
				t.Errorf("%s %s selects %d workloads", kind, name, len(found))
			}
			return found
		}
		disrupted := map[string]bool{}
		for _, o := range r.objects {
			switch o := o.(type) {
			case *corev1.Service:
				for _, w := range matched("Service", o.Name, &metav1.LabelSelector{MatchLabels: o.Spec.Selector}) {
					for _, p := range o.Spec.Ports {
						if !slices.ContainsFunc(w.pod.Spec.Containers[0].Ports, func(c corev1.ContainerPort) bool { return c.Name == p.TargetPort.StrVal }) {
							t.Errorf("Service %s targets the port %s, which no container has", o.Name, p.TargetPort.StrVal)
						}
					}
				}
			case *policyv1.PodDisruptionBudget:
				disrupted[o.Labels["app.kubernetes.io/component"]] = true
				matched("PodDisruptionBudget", o.Name, o.Spec.Selector)
			case *autoscalingv2.HorizontalPodAutoscaler:
				if o.Spec.ScaleTargetRef.Name != "soundextract-converter" {
					t.Errorf("the autoscaler scales %s", o.Spec.ScaleTargetRef.Name)
				}
			}
		}
		for component, w := range r.workload {
			if w.selector != nil {
				matched("workload", component, w.selector)
			}
			// A single replica must not block a drain; of several, one must
			// stay available.
			if many := w.replicas > 1; many != disrupted[component] && component != "converter" {
				t.Errorf("%s has %d replicas, disruption budget: %v", component, w.replicas, disrupted[component])
			}
		}
	})
}

// TestSecretsExist checks that pods mount only Secrets that sx creates or the
// operator names.
func TestSecretsExist(t *testing.T) {
	t.Parallel()
	own := map[string]bool{"my-queues": true, "my-database": true, "smtp": true, "oidc": true}
	for _, part := range secrets.Parts() {
		own["soundextract-"+part] = true
	}
	own["edge"] = true
	for _, part := range append(sx.Services(), secrets.RabbitMQ, secrets.MongoDB) {
		own["soundextract-"+part+"-tls"] = true
	}
	eachScenario(t, func(t *testing.T, s scenario, r rendered) {
		if r.kinds["Secret"] > 0 {
			t.Error("the chart creates Secrets, although sx does")
		}
		mounted := map[string]bool{}
		for component, w := range r.workload {
			for _, v := range w.pod.Spec.Volumes {
				if v.Secret == nil {
					continue
				}
				mounted[v.Secret.SecretName] = true
				if !own[v.Secret.SecretName] {
					t.Errorf("%s mounts the Secret %s", component, v.Secret.SecretName)
				}
			}
		}
		if s.name == "outside" && (mounted["soundextract-rabbitmq"] || !mounted["my-queues"] || !mounted["my-database"]) {
			t.Errorf("the pods mount %v", slices.Sorted(maps.Keys(mounted)))
		}
	})
}

// TestCapabilities checks that the cluster's APIs decide which objects are
// rendered.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	want := map[string]map[string]int{ // the kinds that not every install has
		"default":               {"StatefulSet": 2, "NetworkPolicy": 9},
		"quickstart":            {"StatefulSet": 2, "NetworkPolicy": 9},
		"production":            {"StatefulSet": 2, "NetworkPolicy": 9, "PodDisruptionBudget": 5, "HorizontalPodAutoscaler": 1},
		"production-everything": {"StatefulSet": 2, "NetworkPolicy": 9, "PodDisruptionBudget": 5, "ScaledObject": 1, "TriggerAuthentication": 1, "PodMonitor": 5},
		"outside":               {"NetworkPolicy": 7, "CronJob": 1},
		"exposed":               {"StatefulSet": 2, "NetworkPolicy": 9, "PodMonitor": 5, "Ingress": 1, "HTTPRoute": 1},
		"elsewhere":             {"StatefulSet": 2},
		"tls":                   {"StatefulSet": 2, "NetworkPolicy": 9, "CronJob": 1, "PersistentVolumeClaim": 1},
		"tls-everything": {
			"StatefulSet": 2, "NetworkPolicy": 9, "PodDisruptionBudget": 3, "ScaledObject": 1, "TriggerAuthentication": 1, "PodMonitor": 5,
			"Ingress": 1, "HTTPRoute": 1, "Certificate": 6, "ServersTransport": 1, "BackendTLSPolicy": 1,
		},
	}
	always := []string{"Deployment", "Service", "ConfigMap", "Pod"}
	eachScenario(t, func(t *testing.T, s scenario, r rendered) {
		maps.DeleteFunc(r.kinds, func(kind string, _ int) bool { return slices.Contains(always, kind) })
		if !maps.Equal(r.kinds, want[s.name]) {
			t.Errorf("got %v, want %v", r.kinds, want[s.name])
		}
	})
}

// TestPlacement checks that the operator's settings for images and nodes are in
// every pod.
func TestPlacement(t *testing.T) {
	t.Parallel()
	eachScenario(t, func(t *testing.T, s scenario, r rendered) {
		if s.name != "elsewhere" {
			return
		}
		for component, w := range r.workload {
			for _, c := range slices.Concat(w.pod.Spec.InitContainers, w.pod.Spec.Containers) {
				if !strings.HasPrefix(c.Image, "registry.example.org:5000/") {
					t.Errorf("%s runs %s", component, c.Image)
				}
			}
			if len(w.pod.Spec.ImagePullSecrets) != 1 || w.pod.Spec.ImagePullSecrets[0].Name != "pull" {
				t.Errorf("%s pulls with %v", component, w.pod.Spec.ImagePullSecrets)
			}
		}
		gateway := r.workload["gateway"].pod.Spec
		if got := gateway.Containers[0].Image; got != "registry.example.org:5000/soundextract/gateway:special@sha256:"+digest {
			t.Errorf("the gateway runs %s", got)
		}
		if gateway.NodeSelector["disk"] != "fast" || len(gateway.Tolerations) != 1 {
			t.Errorf("the gateway selects %v, tolerates %v", gateway.NodeSelector, gateway.Tolerations)
		}
		if class := r.workload["mongodb"].claims[0].Spec.StorageClassName; class == nil || *class != "ssd" {
			t.Errorf("MongoDB's claim has the class %v", class)
		}
	})
}
