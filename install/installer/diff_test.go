package installer_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/secrets"
	"github.com/soundextract/sx/server/sx"
)

// change changes an object of the cluster by hand.
func (l *fixture) change(t *testing.T, kind, name string, change func(o *unstructured.Unstructured)) {
	t.Helper()
	mapping, err := l.Cluster.Mapper.RESTMapping(schema.GroupKind{Group: "apps", Kind: kind}, "v1")
	if err != nil {
		t.Fatal(err)
	}
	resource := l.Cluster.Dynamic.Resource(mapping.Resource).Namespace(namespace)
	o, err := resource.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	change(o)
	if _, err := resource.Update(t.Context(), o, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, value any, path ...string) func(o *unstructured.Unstructured) {
	t.Helper()
	return func(o *unstructured.Unstructured) {
		if err := unstructured.SetNestedField(o.Object, value, path...); err != nil {
			t.Fatal(err)
		}
	}
}

// diff returns the changes by object. The drift of an object has a key of its own.
func (l *fixture) diff(t *testing.T, set ...string) map[string]installer.Change {
	t.Helper()
	changes, err := l.Diff(t.Context(), options(set...).InstallRequest)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]installer.Change{}
	for _, c := range changes {
		key := c.Change + " " + c.Object
		if c.Drift {
			key = "drift: " + key
		}
		if _, twice := all[key]; twice {
			t.Errorf("%s is listed twice", key)
		}
		all[key] = c
	}
	return all
}

// TestDiff checks that the comparison is with the objects in the cluster, that drift is
// marked, and that nothing is listed that an install would not change.
func TestDiff(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	before := l.diff(t)
	if c := before["added Deployment/soundextract-gateway"]; !strings.Contains(c.Diff, "+  replicas: 1\n") {
		t.Errorf("before the first install: %+v", before)
	}
	if c := before["added Secret/soundextract-mongodb"]; !strings.Contains(c.Diff, "+  password: (hidden)") {
		t.Errorf("before the first install: %+v", c)
	}
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	if left := l.diff(t); len(left) > 0 {
		t.Fatalf("after the install: %+v", left)
	}

	// An install leaves these alone, like what a rotation or a controller sets.
	l.change(t, "Deployment", "soundextract-auth", set(t, "x", "metadata", "annotations", "example.org/note"))
	if left := l.diff(t); len(left) > 0 {
		t.Fatalf("after a note was added: %+v", left)
	}

	// Drift, and drift together with a requested change.
	l.change(t, "Deployment", "soundextract-gateway", set(t, int64(7), "spec", "replicas"))
	got := l.diff(t, "gateway.logLevel=debug")
	if c := got["drift: changed Deployment/soundextract-gateway"]; !strings.Contains(c.Diff, "-  replicas: 7\n+  replicas: 1\n") || strings.Contains(c.Diff, "debug") || c.Restarts != "" {
		t.Errorf("drift: %+v", c)
	}
	if c := got["changed Deployment/soundextract-gateway"]; !strings.Contains(c.Diff, "debug") || strings.Contains(c.Diff, "-  replicas") || c.Restarts != "env" {
		t.Errorf("requested: %+v", c)
	}
	if len(got) != 2 {
		t.Errorf("got %+v", got)
	}
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}

	// A deleted Secret, and a deleted object of the release.
	if err := l.client.CoreV1().Secrets(namespace).Delete(t.Context(), "soundextract-smoke", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	services := l.Cluster.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "services"}).Namespace(namespace)
	if err := services.Delete(t.Context(), "soundextract-auth", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	got = l.diff(t)
	for _, want := range []string{"drift: added Secret/soundextract-smoke", "drift: added Service/soundextract-auth"} {
		if _, ok := got[want]; !ok {
			t.Errorf("%s is missing: %+v", want, got)
		}
	}

	// What the chart no longer contains.
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	got = l.diff(t, "global.networkPolicies=false")
	if c := got["removed NetworkPolicy/soundextract-pods"]; !strings.Contains(c.Diff, "-  podSelector:") {
		t.Errorf("removed: %+v", got)
	}
}

// TestDiffAfterRotation checks that nothing is listed after the secrets were rotated,
// although only the services' pods, and not the last manifest, have the new revision.
func TestDiffAfterRotation(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	l.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if err := l.Rotate(t.Context(), []string{secrets.AuthKeys}, time.Minute); err != nil {
		t.Fatal(err)
	}
	d, err := l.client.AppsV1().Deployments(namespace).Get(t.Context(), "soundextract-gateway", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	revision := d.Spec.Template.Annotations["soundextract.io/secrets-revision"]
	for _, service := range sx.Services() {
		l.change(t, "Deployment", "soundextract-"+service, set(t, revision, "spec", "template", "metadata", "annotations", "soundextract.io/secrets-revision"))
	}
	if left := l.diff(t); len(left) > 0 {
		t.Errorf("got %+v", left)
	}
}

// TestRestartsAnnounced checks that an install announces a restart of MongoDB or RabbitMQ
// with its reason, and announces none if there will be none.
func TestRestartsAnnounced(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	for _, step := range []struct{ set, want string }{
		{"gateway.replicas=1", ""},
		{"converter.logLevel=debug", ""},
		{"mongodb.resources.limits.memory=2Gi", "mongodb restarts and does not answer for some seconds (resources)"},
		{"mongodb.image.tag=8.0.30", "mongodb restarts and does not answer for some seconds (image docker.io/library/mongo:8.0.29 → docker.io/library/mongo:8.0.30)"},
		{"rabbitmq.replicas=3", "rabbitmq restarts, one node after the other (configuration, lifecycle)"},
	} {
		before := len(l.warnings())
		if _, err := l.Install(t.Context(), options(step.set)); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(l.warnings()[before:], "; ")
		if got != step.want {
			t.Errorf("%s: got %q, want %q", step.set, got, step.want)
		}
	}
}

func TestRotateKeys(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	if err := l.Rotate(t.Context(), []string{secrets.AuthKeys}, time.Minute); err == nil {
		t.Error("the secrets of a release that is not installed were rotated")
	}
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	l.Now = func() time.Time { return time.Now().Add(time.Hour) } // keys are named by their time
	if err := l.Rotate(t.Context(), []string{secrets.AuthKeys, secrets.RabbitMQ}, time.Minute); err != nil {
		t.Fatal(err)
	}
	keys, err := l.client.CoreV1().Secrets(namespace).Get(t.Context(), "soundextract-auth-keys", metav1.GetOptions{})
	if err != nil || len(keys.Data) != 2 {
		t.Errorf("%d keys, %v", len(keys.Data), err)
	}
	d, err := l.client.AppsV1().Deployments(namespace).Get(t.Context(), "soundextract-gateway", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Spec.Template.Annotations["soundextract.io/secrets-revision"] == "" {
		t.Error("the services were not restarted")
	}
	var warned bool
	for _, e := range l.events {
		warned = warned || e.State == installer.Warning && strings.Contains(e.Detail, "rabbitmq is not part")
	}
	if !warned {
		t.Error("missing warning that RabbitMQ is external")
	}
}
