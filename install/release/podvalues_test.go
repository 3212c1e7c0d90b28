package release_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
)

// podValues are values that the pods of every part accept.
const podValues = `
podLabels: {team: media}
podAnnotations: {example.org/scrape: "true"}
nodeSelector: {disk: fast}
tolerations: [{key: media, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: gpu, operator: DoesNotExist}]}]}}}
topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}
  - {maxSkew: 2, topologyKey: row, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {team: media}}}
priorityClassName: important
serviceAccount: {create: true, annotations: {example.org/role: reader}}
env: [{name: SSL_CERT_DIR, value: /etc/authorities}, {name: ZONE, valueFrom: {fieldRef: {fieldPath: "metadata.namespace"}}}]
volumes: [{name: authorities, configMap: {name: authorities}}]
volumeMounts: [{name: authorities, mountPath: /etc/authorities, readOnly: true}]
resources: {requests: {cpu: 7m, memory: 7Mi}, limits: {cpu: "7", memory: 7Gi}}
`

var parts = []string{"auth", "gateway", "converter", "notifier", "rabbitmq", "mongodb", "smoke"}

func renderWith(t *testing.T, of []string, text, more string) string {
	t.Helper()
	given := map[string]any{}
	if err := yaml.Unmarshal([]byte(more), &given); err != nil {
		t.Fatal(err)
	}
	for _, p := range of {
		var v map[string]any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		given[p] = v
	}
	values.WithSecrets(given, "0123")
	rendered, err := release.Render("1.2.3", given, release.RenderOptions{Release: "soundextract", Namespace: "music", APIs: everything, Kubernetes: "v1.34.4"})
	if err != nil {
		t.Fatal(err)
	}
	return rendered.All()
}

// TestPodValues checks that the pods of every part accept the usual values of a chart,
// each its own ones, and keep what the chart sets.
func TestPodValues(t *testing.T) {
	t.Parallel()
	before := read(t, renderWith(t, nil, "", ""))
	for _, part := range parts {
		r := read(t, renderWith(t, []string{part}, podValues, ""))
		for _, other := range parts {
			if other != part && !reflect.DeepEqual(r.workload[other], before.workload[other]) {
				t.Errorf("the values of %s change %s", part, other)
			}
		}
		pod, was := r.workload[part].pod, before.workload[part].pod
		if pod.Labels["team"] != "media" || pod.Annotations["example.org/scrape"] != "true" {
			t.Errorf("%s has labels %v, annotations %v", part, pod.Labels, pod.Annotations)
		}
		for key, value := range was.Labels {
			if pod.Labels[key] != value {
				t.Errorf("%s has lost the label %s", part, key)
			}
		}
		for key, value := range was.Annotations {
			if pod.Annotations[key] != value {
				t.Errorf("%s has lost the annotation %s", part, key)
			}
		}
		spec := pod.Spec
		if spec.NodeSelector["disk"] != "fast" || len(spec.Tolerations) != 1 || spec.Affinity == nil || spec.Affinity.NodeAffinity == nil || spec.PriorityClassName != "important" {
			t.Errorf("%s is placed by %v, %v, %v, %s", part, spec.NodeSelector, spec.Tolerations, spec.Affinity, spec.PriorityClassName)
		}
		own := map[string]string{"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": "soundextract", "app.kubernetes.io/component": part}
		if c := spec.TopologySpreadConstraints; len(c) != 2 || c[0].TopologyKey != "rack" || fmt.Sprint(c[0].LabelSelector.MatchLabels) != fmt.Sprint(own) ||
			fmt.Sprint(c[1].LabelSelector.MatchLabels) != "map[team:media]" {
			t.Errorf("%s is spread by %v", part, c)
		}
		if spec.ServiceAccountName != "soundextract-"+part || *spec.AutomountServiceAccountToken {
			t.Errorf("%s has the service account %q", part, spec.ServiceAccountName)
		}
		account := false
		for _, o := range r.objects {
			if a, ok := o.(*corev1.ServiceAccount); ok && a.Name == "soundextract-"+part && a.Annotations["example.org/role"] == "reader" && !*a.AutomountServiceAccountToken {
				account = true
			}
		}
		if !account {
			t.Errorf("%s has no service account", part)
		}
		c := spec.Containers[0]
		if len(c.Env) != len(was.Spec.Containers[0].Env)+2 || len(c.VolumeMounts) != len(was.Spec.Containers[0].VolumeMounts)+1 || len(spec.Volumes) != len(was.Spec.Volumes)+1 {
			t.Errorf("%s has env %v, mounts %v, volumes %v", part, c.Env, c.VolumeMounts, spec.Volumes)
		}
		if c.Resources.Limits.Cpu().String() != "7" || c.Resources.Requests.Memory().String() != "7Mi" {
			t.Errorf("%s has the resources %v", part, c.Resources)
		}
	}
}

// TestNamedAccount checks that an existing service account is used and not created.
func TestNamedAccount(t *testing.T) {
	t.Parallel()
	r := read(t, renderWith(t, parts, "serviceAccount: {name: existing}", ""))
	for _, part := range parts {
		if got := r.workload[part].pod.Spec.ServiceAccountName; got != "existing" {
			t.Errorf("%s has the service account %q", part, got)
		}
	}
	if r.kinds["ServiceAccount"] > 0 {
		t.Error("a service account is created")
	}
}

// TestSharedAccount checks that parts can share a service account that one of them
// creates, and that two parts cannot create the same one.
func TestSharedAccount(t *testing.T) {
	t.Parallel()
	r := read(t, renderWith(t, []string{"auth"}, "serviceAccount: {create: true, name: shared}", "gateway: {serviceAccount: {name: shared}}"))
	for _, part := range []string{"auth", "gateway"} {
		if got := r.workload[part].pod.Spec.ServiceAccountName; got != "shared" {
			t.Errorf("%s has the service account %q", part, got)
		}
	}
	if n := r.kinds["ServiceAccount"]; n != 1 {
		t.Errorf("%d service accounts are created", n)
	}

	both := map[string]any{}
	for _, part := range []string{"auth", "mongodb"} {
		both[part] = map[string]any{"serviceAccount": map[string]any{"create": true, "name": "shared"}}
	}
	values.WithSecrets(both, "0123")
	_, err := release.Render("1.2.3", both, release.RenderOptions{Release: "soundextract", Namespace: "music", APIs: everything, Kubernetes: "v1.34.4"})
	const want = "auth and mongodb would both create the service account shared: set mongodb.serviceAccount.create=false"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestGlobalLabels checks that all objects and pods have the labels that a policy may
// require, and that those of a part take precedence.
func TestGlobalLabels(t *testing.T) {
	t.Parallel()
	text := renderWith(t, []string{"gateway"}, "podLabels: {team: special}", "global: {labels: {team: media, cost-center: \"42\"}}")
	r := read(t, text)
	for component, w := range r.workload {
		want := "media"
		if component == "gateway" {
			want = "special"
		}
		if w.pod.Labels["team"] != want || w.pod.Labels["cost-center"] != "42" {
			t.Errorf("the pods of %s have labels %v", component, w.pod.Labels)
		}
		for _, c := range w.claims {
			if c.Labels["team"] != "" {
				t.Errorf("the claim of %s has a label that could not be changed", component)
			}
		}
		if w.selector != nil && len(w.selector.MatchLabels) != 3 {
			t.Errorf("%s selects %v", component, w.selector.MatchLabels)
		}
	}
	for _, o := range r.objects {
		if m := o.(metav1.Object); m.GetLabels()["cost-center"] != "42" {
			t.Errorf("%T %s has labels %v", o, m.GetName(), m.GetLabels())
		}
	}
}

// TestReservedNames checks that values cannot replace what the chart itself sets.
func TestReservedNames(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"podLabels: {app.kubernetes.io/component: x}", "podAnnotations: {soundextract.io/x: y}", "env: [{name: SX_ADMIN, value: x}]", "env: [{value: x}]",
		"volumes: [{emptyDir: {}}]", "podLabels: {a: \"not a label\"}",
	} {
		for _, part := range parts {
			given := map[string]any{}
			var v map[string]any
			if err := yaml.Unmarshal([]byte(text), &v); err != nil {
				t.Fatal(err)
			}
			given[part] = v
			values.WithSecrets(given, "0123")
			_, err := release.Render("1.2.3", given, release.RenderOptions{Release: "soundextract", Namespace: "music", APIs: everything, Kubernetes: "v1.34.4"})
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %s: got %v", part, text, err)
			}
		}
	}
}
