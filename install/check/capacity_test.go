package check_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/install/check"
)

// services is a release with one Deployment of two replicas, which request one CPU and have
// no CPU limit.
func services(image string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: soundextract-gateway, labels: {app.kubernetes.io/instance: soundextract, app.kubernetes.io/component: gateway}}
spec:
  replicas: 2
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    spec:
      nodeSelector: {disk: fast}
      tolerations: [{key: media, operator: Exists}]
      containers: [{name: gateway, image: %s, resources: {requests: {cpu: "1", memory: 1Gi}, limits: {memory: 2Gi}}}]
`, image)
}

func newNode(cpu string, change func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1", Labels: map[string]string{"disk": "fast"}}}
	n.Status.Allocatable = corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse("16Gi"), "pods": resource.MustParse("10")}
	if change != nil {
		change(n)
	}
	return n
}

func runningPod(name, namespace, cpu string, labels map[string]string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: labels}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}
	p.Spec.NodeName = "node-1"
	p.Spec.Containers = []corev1.Container{{Name: "a", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}}
	return p
}

var ours = map[string]string{"app.kubernetes.io/instance": "soundextract"}

func TestCapacity(t *testing.T) {
	t.Parallel()
	tainted := func(key string) func(*corev1.Node) {
		return func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: key, Effect: corev1.TaintEffectNoSchedule}}
		}
	}
	for name, tt := range map[string]struct {
		objects []runtime.Object
		current string
		outcome check.Outcome
		message string
	}{
		"room":              {[]runtime.Object{newNode("2", nil)}, "", check.OK, ""},
		"too few CPUs":      {[]runtime.Object{newNode("1900m", nil)}, "", check.FoundWarning, "1 of soundextract-gateway (1 CPU and 1Gi of memory each); the freest has 900m CPU"},
		"others use it":     {[]runtime.Object{newNode("2", nil), runningPod("x", "other", "500m", nil)}, "", check.FoundWarning, "1 of soundextract-gateway"},
		"its own pods":      {[]runtime.Object{newNode("2", nil), runningPod("x", "music", "2", ours)}, "", check.OK, ""},
		"no node":           {nil, "", check.FoundWarning, "no node on which pods can start"},
		"cordoned":          {[]runtime.Object{newNode("2", func(n *corev1.Node) { n.Spec.Unschedulable = true })}, "", check.FoundWarning, "no node on which pods can start"},
		"another label":     {[]runtime.Object{newNode("2", func(n *corev1.Node) { n.Labels["disk"] = "slow" })}, "", check.FoundWarning, "2 of soundextract-gateway"},
		"tolerated":         {[]runtime.Object{newNode("2", tainted("media"))}, "", check.OK, ""},
		"not tolerated":     {[]runtime.Object{newNode("2", tainted("gpu"))}, "", check.FoundWarning, "2 of soundextract-gateway"},
		"a rollout":         {[]runtime.Object{newNode("2", nil), deployment(2, "1.2.3")}, services("old"), check.FoundWarning, "1 of soundextract-gateway"},
		"nothing to change": {[]runtime.Object{newNode("2", nil), deployment(2, "1.2.3")}, services("new"), check.OK, ""},
	} {
		e, _ := env(t, tt.objects...)
		e.Manifest, e.Current = services("new"), tt.current
		if r := run(t, e, check.Preflight(), "capacity"); r.Outcome != tt.outcome || !strings.Contains(r.Message, tt.message) {
			t.Errorf("%s: got %+v, want %s %q", name, r, tt.outcome, tt.message)
		}
	}
}

// TestQuotaOfRollouts checks the pods that exist only during a rollout, limits that a quota
// requires, and what limit ranges add.
func TestQuotaOfRollouts(t *testing.T) {
	t.Parallel()
	quota := func(name, hard, used string) *corev1.ResourceQuota {
		q := &corev1.ResourceQuota{ObjectMeta: in("q"), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceName(name): resource.MustParse(hard)}}}
		q.Status.Used = corev1.ResourceList{corev1.ResourceName(name): resource.MustParse(used)}
		return q
	}
	limits := func(kind corev1.LimitType, set func(*corev1.LimitRangeItem)) *corev1.LimitRange {
		item := corev1.LimitRangeItem{Type: kind}
		set(&item)
		return &corev1.LimitRange{ObjectMeta: in("r"), Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}}
	}
	cpu := func(q string) corev1.ResourceList { return corev1.ResourceList{"cpu": resource.MustParse(q)} }
	one, two := runningPod("a", "music", "1", ours), runningPod("b", "music", "1", ours)
	for name, tt := range map[string]struct {
		objects []runtime.Object
		outcome check.Outcome
		message string
	}{
		"first install":  {[]runtime.Object{quota("pods", "2", "0")}, check.OK, ""},
		"no change":      {[]runtime.Object{quota("requests.cpu", "2", "2"), one, two}, check.OK, ""},
		"a rollout":      {[]runtime.Object{quota("requests.cpu", "2", "2"), one, two, deployment(2, "1.2.3")}, check.FoundFatal, "the quota q leaves 0 of requests.cpu, but 1 more is needed during the rollout"},
		"limits.cpu":     {[]runtime.Object{quota("limits.cpu", "9", "0")}, check.FoundFatal, "gateway of soundextract-gateway does not: set gateway.resources.limits.cpu in the values"},
		"a default":      {[]runtime.Object{quota("limits.cpu", "9", "0"), limits(corev1.LimitTypeContainer, func(i *corev1.LimitRangeItem) { i.Default = cpu("2") })}, check.OK, ""},
		"a low default":  {[]runtime.Object{limits(corev1.LimitTypeContainer, func(i *corev1.LimitRangeItem) { i.Default = cpu("100m") })}, check.FoundFatal, "gateway of soundextract-gateway requests 1 of cpu, more than its limit of 100m"},
		"default is all": {[]runtime.Object{quota("limits.cpu", "3", "0"), limits(corev1.LimitTypeContainer, func(i *corev1.LimitRangeItem) { i.Default = cpu("2") })}, check.FoundFatal, "leaves 3 of limits.cpu, but 4 more is needed"},
	} {
		e, _ := env(t, tt.objects...)
		e.Manifest = services("new")
		if name == "a rollout" {
			e.Current = services("old")
		}
		if r := run(t, e, check.Preflight(), "quota"); r.Outcome != tt.outcome || !strings.Contains(r.Message, tt.message) {
			t.Errorf("%s: got %+v, want %s %q", name, r, tt.outcome, tt.message)
		}
	}
	e, _ := env(t, quota("limits.cpu", "9", "0"))
	e.Manifest = strings.NewReplacer("soundextract-gateway", "soundextract-mongodb", "component: gateway", "component: mongodb",
		"containers: [", "containers: [{name: users, image: new}, ").Replace(services("new"))
	if r := run(t, e, check.Preflight(), "quota"); !strings.Contains(r.Message, "set mongodb.users.resources.limits.cpu in") || !strings.Contains(r.Message, "set mongodb.resources.limits.cpu in") {
		t.Errorf("got %+v", r)
	}
	e, _ = env(t, limits(corev1.LimitTypePersistentVolumeClaim, func(i *corev1.LimitRangeItem) {
		i.Max = corev1.ResourceList{"storage": resource.MustParse("5Gi")}
	}))
	e.Manifest = strings.Replace(manifest, "spec: {}}", "spec: {resources: {requests: {storage: 8Gi}}}}", 1)
	if r := run(t, e, check.Preflight(), "quota"); r.Outcome != check.FoundFatal || !strings.Contains(r.Message, "at most 5Gi, but that of soundextract-mongodb requests 8Gi") {
		t.Errorf("got %+v", r)
	}
	e, _ = env(t, quota("requests.storage", "10Gi", "0"))
	e.Manifest = strings.Replace(manifest, "spec: {}}", "spec: {resources: {requests: {storage: 8Gi}}}}", 1)
	if r := run(t, e, check.Preflight(), "quota"); r.Outcome != check.FoundFatal || !strings.Contains(r.Message, "leaves 10Gi of requests.storage, but 16Gi more is needed") {
		t.Errorf("got %+v", r)
	}
}

func object(t *testing.T, o any) string {
	t.Helper()
	text, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAddons(t *testing.T) {
	t.Parallel()
	traefik := "traefik"
	ingress := func(class *string) string {
		return object(t, networkingv1.Ingress{TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}, ObjectMeta: in("i"), Spec: networkingv1.IngressSpec{IngressClassName: class}})
	}
	scaler := object(t, autoscalingv2.HorizontalPodAutoscaler{TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}, ObjectMeta: in("h")})
	class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "traefik"}}
	standard := class.DeepCopy()
	standard.Annotations = map[string]string{"ingressclass.kubernetes.io/is-default-class": "true"}
	for _, tt := range []struct {
		id, manifest string
		objects      []runtime.Object
		outcome      check.Outcome
		message      string
	}{
		{"ingress-class", scaler, nil, check.OutcomeSkipped, "no Ingress"},
		{"ingress-class", ingress(&traefik), nil, check.FoundFatal, `Ingress class "traefik" not found; available: none`},
		{"ingress-class", ingress(&traefik), []runtime.Object{class}, check.OK, ""},
		{"ingress-class", ingress(nil), []runtime.Object{class}, check.FoundWarning, "no default one; available: traefik"},
		{"ingress-class", ingress(nil), []runtime.Object{standard}, check.OK, ""},
		{"autoscaling", ingress(nil), nil, check.OutcomeSkipped, "autoscaling is off"},
		{"autoscaling", scaler, nil, check.FoundWarning, "no metrics-server"},
		{"gateway-api", scaler, nil, check.OutcomeSkipped, "no HTTPRoute"},
		{"gateway-api", "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: x}\n", nil, check.FoundFatal, "no Gateway API"},
	} {
		e, _ := env(t, tt.objects...)
		e.Manifest = tt.manifest
		if r := run(t, e, check.Preflight(), tt.id); r.Outcome != tt.outcome || !strings.Contains(r.Message, tt.message) {
			t.Errorf("%s: got %+v, want %s %q", tt.id, r, tt.outcome, tt.message)
		}
	}
}

// TestVolumes checks what is read of the output of df.
func TestVolumes(t *testing.T) {
	t.Parallel()
	const gib = 1 << 20 // in KiB
	df := func(size, free, inodes, left int64) string {
		const reserved = 10 * gib // for the superuser
		return fmt.Sprintf("/dev/vda %d %d %d 5%% /data/db\n/dev/vda %d %d %d 5%% /data/db\n", size+reserved, size-free, free, inodes, inodes-left, left)
	}
	for name, tt := range map[string]struct {
		out     string
		outcome check.Outcome
		says    string
	}{
		"room":       {df(10*gib, 5*gib, 1000, 900), check.OK, "mongodb: 5.4 GB of 11 GB free (50 % used), 10 % of the inodes used"},
		"no inodes":  {df(10*gib, 5*gib, 0, 0), check.OK, "(50 % used)"},
		"much":       {df(100*gib, 9*gib, 1000, 900), check.FoundWarning, "(91 % used)"},
		"full":       {df(100*gib, 1*gib, 1000, 900), check.FoundFatal, "(99 % used)"},
		"few inodes": {df(100*gib, 50*gib, 1000, 5), check.FoundFatal, "100 % of the inodes used"},
		"unknown":    {"/dev/vda 100 50 50 5% /\nbtrfs - - - - /\n", check.OK, "(50 % used)"},
		"not df":     {"sh: df: not found\n", check.FoundWarning, "read the output of df"},
		"hostile":    {"/dev/vda 1 99999999999999999999 -5 5% /\nx 1 1 1\n", check.FoundWarning, "not a number"},
	} {
		p := runningPod("soundextract-mongodb-0", "music", "1", map[string]string{"app.kubernetes.io/instance": "soundextract", "app.kubernetes.io/component": "mongodb"})
		e, _ := env(t, p)
		e.Exec = func(_ context.Context, pod, container string, _ []string) (string, error) {
			if pod != p.Name || container != "mongodb" {
				t.Errorf("ran in %s of %s", container, pod)
			}
			return tt.out, nil
		}
		if r := run(t, e, check.Running(), "volumes"); r.Outcome != tt.outcome || !strings.Contains(r.Message+r.Description, tt.says) {
			t.Errorf("%s: got %+v, want %s %q", name, r, tt.outcome, tt.says)
		}
	}
	e, _ := env(t)
	if r := run(t, e, check.Running(), "volumes"); r.Outcome != check.OutcomeSkipped {
		t.Errorf("without pods: got %+v", r)
	}
}
