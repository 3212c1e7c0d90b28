package check_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/kube"
)

const manifest = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: soundextract-mongodb}
spec:
  replicas: 2
  template:
    spec:
      imagePullSecrets: [{name: pull}]
      containers: [{name: mongodb, resources: {requests: {cpu: 500m}, limits: {memory: 2Gi}}}]
  volumeClaimTemplates: [{metadata: {name: data}, spec: {}}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: soundextract-rabbitmq}
spec:
  replicas: 0
  volumeClaimTemplates: [{metadata: {name: data}, spec: {}}]
`

func env(t *testing.T, objects ...runtime.Object) (*check.Env, *fake.Clientset) {
	t.Helper()
	client := fake.NewClientset(objects...)
	client.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{Major: "1", Minor: "34", GitVersion: "v1.34.4"}
	client.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview)
		at := r.Spec.ResourceAttributes
		r.Status.Allowed = at.Namespace == "music" && (at.Resource != "statefulsets" || at.Verb != "delete") && at.Subresource != "portforward"
		return true, r, nil
	})
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}, meta.RESTScopeNamespace)
	return &check.Env{
		Cluster: &kube.Cluster{Target: kube.Target{Context: "lab", Namespace: "music"}, Client: client, Mapper: mapper},
		Release: "soundextract", Manifest: manifest, Version: "1.2.3",
	}, client
}

func run(t *testing.T, e *check.Env, checks []check.Check, id string) check.Result {
	t.Helper()
	for _, c := range checks {
		if c.ID == id {
			return check.Run(t.Context(), e, []check.Check{c}, nil)[0]
		}
	}
	t.Fatalf("check %s not found", id)
	return check.Result{}
}

func in(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "music"} }

func helm(revision, status string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: in("sh.helm.release.v1.soundextract.v" + revision)}
	s.Labels = map[string]string{"owner": "helm", "name": "soundextract", "version": revision, "status": status}
	return s
}

// lock is the lock of a process that renewed it some time ago.
func lock(ago time.Duration) *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: in("soundextract-sx"), Spec: coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: time.Now().Add(-ago)}}}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	quota := func(pods, used string) *corev1.ResourceQuota {
		q := &corev1.ResourceQuota{ObjectMeta: in("few"), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse(pods), "cpu": resource.MustParse("1")}}}
		q.Status.Used = corev1.ResourceList{"pods": resource.MustParse(used)}
		return q
	}
	limits := &corev1.LimitRange{ObjectMeta: in("small"), Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{"memory": resource.MustParse("1Gi")},
	}}}}
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "disk"}}
	standard := class.DeepCopy()
	standard.Annotations = map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: in("data-soundextract-mongodb-0")}
	open := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "music"}}
	restricted := open.DeepCopy()
	restricted.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	tests := []struct {
		id      string
		objects []runtime.Object
		outcome check.Outcome
		message string
	}{
		{"api", nil, check.OK, ""},
		{"version", nil, check.OK, ""},
		{"permissions", nil, check.FoundFatal, "missing permissions: create pods/portforward; delete statefulsets.apps"},
		{"storage-class", []runtime.Object{class}, check.FoundFatal, "no default one; available: disk"},
		{"storage-class", []runtime.Object{standard}, check.OK, ""},
		{"pod-security", nil, check.OutcomeSkipped, "does not exist yet"},
		{"pod-security", []runtime.Object{open}, check.FoundWarning, "does not enforce"},
		{"pod-security", []runtime.Object{restricted}, check.OK, ""},
		{"quota", nil, check.OK, ""},
		{"quota", []runtime.Object{quota("3", "1")}, check.OK, ""},
		{"quota", []runtime.Object{quota("3", "2")}, check.FoundFatal, "the quota few leaves 1 of pods, but 2 more is needed"},
		{"quota", []runtime.Object{limits}, check.FoundFatal, "the limit range small allows a container at most 1Gi of memory"},
		{"leftovers", nil, check.OK, ""},
		{"leftovers", []runtime.Object{claim}, check.FoundFatal, "data-soundextract-mongodb-0"},
		{"leftovers", []runtime.Object{&corev1.Secret{ObjectMeta: in("soundextract-mongodb")}}, check.FoundWarning, "its volume is missing"},
		{"leftovers", []runtime.Object{claim, &corev1.Secret{ObjectMeta: in("soundextract-mongodb")}}, check.OK, ""},
		{"leftovers", []runtime.Object{&corev1.Secret{ObjectMeta: in("soundextract-rabbitmq")}}, check.OK, ""},
		{"release-state", nil, check.OutcomeSkipped, "not installed"},
		{"release-state", []runtime.Object{helm("9", "superseded"), helm("10", "deployed")}, check.OK, ""},
		{"release-state", []runtime.Object{helm("9", "deployed"), helm("10", "pending-upgrade")}, check.FoundWarning, "revision 10 of the release is pending-upgrade"},
		{"release-state", []runtime.Object{helm("10", "pending-upgrade"), lock(6 * time.Second)}, check.OK, ""},
		{"release-state", []runtime.Object{helm("10", "pending-upgrade"), lock(time.Minute)}, check.FoundWarning, "was interrupted"},
		{"release-state", []runtime.Object{helm("10", "failed"), lock(6 * time.Second)}, check.FoundWarning, "failed"},
		{"pull-secret", nil, check.FoundFatal, "pull secret pull not found in the namespace music"},
		{"pull-secret", []runtime.Object{&corev1.Secret{ObjectMeta: in("pull"), Type: corev1.SecretTypeDockerConfigJson}}, check.OK, ""},
	}
	for _, tt := range tests {
		e, _ := env(t, tt.objects...)
		r := run(t, e, check.Preflight(), tt.id)
		if r.Outcome != tt.outcome || !strings.Contains(r.Message, tt.message) {
			t.Errorf("%s: got %+v, want %s %q", tt.id, r, tt.outcome, tt.message)
		}
		if (r.Outcome == check.FoundFatal || r.Outcome == check.FoundWarning) && r.Hint == "" {
			t.Errorf("%s has no hint", tt.id)
		}
	}
}

// TestOrder checks that results are in the order of the checks, and that a
// hanging check times out.
func TestOrder(t *testing.T) {
	t.Parallel()
	second := make(chan struct{})
	checks := []check.Check{
		{ID: "hangs", Severity: check.Warning, Timeout: 50 * time.Millisecond, Run: func(context.Context, *check.Env) error { <-second; select {} }},
		{ID: "quick", Timeout: time.Minute, Run: func(context.Context, *check.Env) error { close(second); return nil }},
	}
	var order []string
	results := check.Run(t.Context(), &check.Env{}, checks, func(r check.Result) { order = append(order, r.ID) })
	if strings.Join(order, " ") != "hangs quick" || results[0].Outcome != check.FoundWarning || !strings.Contains(results[0].Message, "no response") {
		t.Errorf("got %v, %+v", order, results)
	}
}

func TestQueues(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"/api/queues": `[{"name":"sx.convert","messages":4,"consumers":0},{"name":"sx.notify.dead","messages":2,"consumers":0}]`,
		"/api/nodes":  `[{"name":"rabbit@a","mem_alarm":false,"disk_free_alarm":false},{"name":"rabbit@b","disk_free_alarm":true,"disk_free":150000000,"disk_free_limit":200000000}]`,
	}
	broker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, pw, _ := r.BasicAuth(); user != "monitor-b" || pw != "pw" || answers[r.URL.Path] == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, answers[r.URL.Path])
	}))
	t.Cleanup(broker.Close)
	secret := &corev1.Secret{ObjectMeta: in("soundextract-rabbitmq"), Data: map[string][]byte{"monitor-username": []byte("monitor-b"), "monitor-password": []byte("pw")}}
	e, _ := env(t, secret)
	e.PortForward = func(_ context.Context, component string, port int) (string, func(), error) {
		if component != "rabbitmq" || port != 15672 {
			t.Errorf("asked for %s:%d", component, port)
		}
		return broker.Listener.Addr().String(), func() {}, nil
	}
	if r := run(t, e, check.Running(), "queues"); r.Outcome != check.FoundFatal || !strings.Contains(r.Message, "the queue sx.convert has 4 messages and no consumer") {
		t.Errorf("got %+v", r)
	}
	if r := run(t, e, check.Running(), "dead-letters"); r.Outcome != check.FoundWarning || !strings.Contains(r.Message, "2 in sx.notify.dead") ||
		!strings.Contains(r.Hint, "the log of the notifier") || !strings.HasSuffix(r.Hint, "rabbitmqctl purge_queue sx.notify.dead") || strings.Count(r.Hint, ": ") != 1 {
		t.Errorf("got %+v", r)
	}
	if r := run(t, e, check.Running(), "broker-alarms"); r.Outcome != check.FoundFatal || !strings.Contains(r.Message, "rabbit@b has 150 MB of free disk space, and needs 200 MB") ||
		!strings.Contains(r.Hint, "rabbitmq.persistence.size") {
		t.Errorf("got %+v", r)
	}
	answers["/api/nodes"] = `[{"name":"rabbit@a","mem_alarm":true}]`
	if r := run(t, e, check.Running(), "broker-alarms"); r.Outcome != check.FoundFatal || !strings.Contains(r.Message, "the memory of rabbit@a is used up") {
		t.Errorf("got %+v", r)
	}
	answers["/api/nodes"] = `[{"name":"rabbit@a","mem_alarm":false,"disk_free_alarm":false}]`
	if r := run(t, e, check.Running(), "broker-alarms"); r.Outcome != check.OK {
		t.Errorf("got %+v", r)
	}
}

// TestNoResponse checks that a service which accepts no connections is reported, and that
// the port-forward ends.
func TestNoResponse(t *testing.T) {
	t.Parallel()
	e, _ := env(t)
	var opened, stopped atomic.Int32
	e.PortForward = func(context.Context, string, int) (string, func(), error) {
		opened.Add(1)
		return "127.0.0.1:1", func() { stopped.Add(1) }, nil
	}
	if r := run(t, e, check.Running(), "dependencies"); r.Outcome != check.FoundFatal || !strings.Contains(r.Message, "the gateway does not respond") {
		t.Errorf("got %+v", r)
	}
	if opened.Load() == 0 || opened.Load() != stopped.Load() {
		t.Errorf("%d port-forwards were started and %d stopped", opened.Load(), stopped.Load())
	}
}

// TestStarting checks that a part which is starting need not respond.
func TestStarting(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status  corev1.ConditionStatus
		since   time.Duration
		outcome check.Outcome
	}{
		{corev1.ConditionFalse, time.Hour, check.OutcomeSkipped},
		{corev1.ConditionTrue, time.Second, check.OutcomeSkipped},
		{corev1.ConditionTrue, time.Hour, check.FoundFatal},
	} {
		pod := &corev1.Pod{ObjectMeta: in("soundextract-rabbitmq-0"), Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: tt.status, LastTransitionTime: metav1.NewTime(time.Now().Add(-tt.since))}},
		}}
		pod.Labels = map[string]string{"app.kubernetes.io/instance": "soundextract", "app.kubernetes.io/component": "rabbitmq"}
		e, _ := env(t, pod, &corev1.Secret{ObjectMeta: in("soundextract-rabbitmq")})
		e.PortForward = func(context.Context, string, int) (string, func(), error) { return "127.0.0.1:1", func() {}, nil }
		if r := run(t, e, check.Running(), "broker-alarms"); r.Outcome != tt.outcome || !strings.Contains(r.Message, "does not respond") {
			t.Errorf("ready %s since %s: got %+v", tt.status, tt.since, r)
		}
	}
}

// gateway stores the bytes of an upload that it receives; behind a buffering
// proxy it receives only complete request bodies.
func gateway(t *testing.T, buffers bool, removed *atomic.Bool) *httptest.Server {
	t.Helper()
	var kept atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			w.Header().Set("Location", "http://"+r.Host+"/v1/uploads/abc")
			w.WriteHeader(http.StatusCreated)
		case http.MethodPatch:
			n, err := io.Copy(io.Discard, r.Body)
			if err == nil || !buffers {
				kept.Store(n)
			}
		case http.MethodHead:
			w.Header().Set("Upload-Offset", strconv.FormatInt(kept.Load(), 10))
		case http.MethodDelete:
			removed.Store(r.URL.Path == "/v1/uploads/abc")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestInterruptedUpload(t *testing.T) {
	t.Parallel()
	for buffers, want := range map[bool]check.Outcome{false: check.OK, true: check.FoundWarning} {
		var removed atomic.Bool
		e, _ := env(t)
		e.Server = gateway(t, buffers, &removed).URL
		e.Token = func(context.Context) (string, error) { return "token", nil }
		if r := run(t, e, check.Running(), "interrupted-upload"); r.Outcome != want || !removed.Load() {
			t.Errorf("buffers %v: got %+v, removed %v", buffers, r, removed.Load())
		}
		e.Token = nil
		if r := run(t, e, check.Running(), "interrupted-upload"); r.Outcome != check.OutcomeSkipped || r.Hint == "" {
			t.Errorf("signed out: got %+v", r)
		}
	}
}

// TestHintCommands checks that the commands in hints select the cluster, the namespace
// and the release that were checked.
func TestHintCommands(t *testing.T) {
	t.Parallel()
	e, _ := env(t)
	e.Cluster.Context, e.Release = "my cluster", "sound"
	for _, c := range append(check.Preflight(), check.Running()...) {
		if strings.Contains(c.Hint, "sx ") || strings.Contains(c.Hint, "kubectl ") {
			t.Errorf("%s: the hint names a command without its flags: %s", c.ID, c.Hint)
		}
		want := ""
		switch {
		case len(c.Next) == 0:
		case c.Next[0] == "sx":
			want = " --context 'my cluster' -n music --release sound"
		default:
			want = "kubectl --context 'my cluster' -n music "
		}
		c.Run = func(context.Context, *check.Env) error { return errors.New("broken") }
		if r := check.Run(t.Context(), e, []check.Check{c}, nil)[0]; !strings.Contains(r.Hint, want) {
			t.Errorf("%s: got %q, want it with %q", c.ID, r.Hint, want)
		}
	}
}
