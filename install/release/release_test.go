package release

import (
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	helmkube "helm.sh/helm/v3/pkg/kube"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// inMemory is Helm on a fake cluster that accepts everything.
func inMemory() (*helm, *kubefake.FailingKubeClient) {
	client := &kubefake.FailingKubeClient{PrintingKubeClient: kubefake.PrintingKubeClient{Out: io.Discard}}
	return &helm{
		name: "soundextract", cluster: &kube.Cluster{Target: kube.Target{Context: "lab", Namespace: "music"}, Client: fake.NewClientset()},
		config: &action.Configuration{
			Releases: storage.Init(driver.NewMemory()), KubeClient: client,
			Capabilities: chartutil.DefaultCapabilities, Log: func(string, ...any) {},
		},
	}, client
}

// rendered renders as sx does, which creates the Secrets itself.
func rendered(t *testing.T, version string, values map[string]any) *Rendered {
	t.Helper()
	all := Override(deepCopy(values), map[string]any{"global": map[string]any{"secrets": map[string]any{"create": false}}})
	r, err := Render(version, all, RenderOptions{Release: "soundextract", Namespace: "music", Kubernetes: "v1.34.4"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func replicas(n int) map[string]any { return map[string]any{"gateway": map[string]any{"replicas": n}} }

// TestLifecycle covers an install, an upgrade that keeps values, one that
// discards them, a rollback and the removal.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	h, _ := inMemory()
	if last, err := h.Last(t.Context()); last != nil || err != nil {
		t.Errorf("at first: %v, %v", last, err)
	}
	if all, err := h.History(t.Context()); len(all) > 0 || err != nil {
		t.Errorf("at first: %v, %v", all, err)
	}
	apply := func(r *Rendered) {
		t.Helper()
		info, err := h.Apply(t.Context(), r)
		if err != nil || info.Status != Deployed {
			t.Fatalf("got %+v, %v", info, err)
		}
	}
	last := func() Info {
		t.Helper()
		info, err := h.Last(t.Context())
		if err != nil || info == nil {
			t.Fatalf("got %v, %v", info, err)
		}
		return *info
	}
	gateways := func(want string) {
		t.Helper()
		values, _ := last().Values["gateway"].(map[string]any)
		if got := fmt.Sprint(values["replicas"]); got != want {
			t.Errorf("revision %d has %s gateways, want %s", last().Revision, got, want)
		}
	}
	noted := rendered(t, "1.0.0", replicas(2))
	noted.Notes = map[string]string{"who": "eve", "why": "first"}
	apply(noted)
	if first := last(); first.Revision != 1 || first.Version != "1.0.0" || !strings.Contains(first.Manifest, "soundextract/gateway:1.0.0") {
		t.Errorf("got revision %d of %s", first.Revision, first.Version)
	}
	kept := Keep(map[string]any{"auth": map[string]any{"registration": "closed"}}, last().Values)
	apply(rendered(t, "1.1.0", kept))
	gateways("2")
	if second := last(); second.Version != "1.1.0" || !strings.Contains(second.Manifest, "soundextract/gateway:1.1.0") {
		t.Errorf("revision 2 is of %s", second.Version)
	}
	apply(rendered(t, "1.1.0", nil))
	gateways("<nil>")

	info, err := h.Rollback(t.Context(), 1, map[string]string{"who": "ada"})
	if err != nil || info.Revision != 4 || info.Version != "1.0.0" {
		t.Errorf("rolled back to %+v, %v", info, err)
	}
	gateways("2")
	if notes := last().Notes; notes["who"] != "ada" || notes["why"] != "first" {
		t.Errorf("the notes after the rollback are %v", notes)
	}
	all, err := h.History(t.Context())
	if err != nil || len(all) != 4 || all[0].Revision != 4 || all[3].Status != Superseded {
		t.Errorf("got %+v, %v", all, err)
	}
	if err := h.Fail(t.Context(), "it did not become ready"); err != nil {
		t.Fatal(err)
	}
	if failed := last(); failed.Status != Failed || failed.Description != "it did not become ready" {
		t.Errorf("got %+v", failed)
	}
	apply(rendered(t, "1.1.0", nil)) // after a failure too
	for range 2 {                    // a removed release has no history
		if err := h.Uninstall(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if gone, err := h.Last(t.Context()); gone != nil || err != nil {
		t.Errorf("left is %v, %v", gone, err)
	}
}

// timedClient records the timeout of the wait for the objects to be deleted.
type timedClient struct {
	*kubefake.FailingKubeClient
	timeout time.Duration
}

func (c *timedClient) WaitForDelete(_ helmkube.ResourceList, timeout time.Duration) error {
	c.timeout = timeout
	return nil
}

// TestUninstallWaitsForPods checks that an uninstall does not time out while a converter
// may still finish its conversions.
func TestUninstallWaitsForPods(t *testing.T) {
	t.Parallel()
	h, cluster := inMemory()
	client := &timedClient{FailingKubeClient: cluster}
	h.config.KubeClient = client
	pod := func(name, release string, grace int64) *corev1.Pod {
		labels := map[string]string{"app.kubernetes.io/instance": release}
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "music", Labels: labels},
			Spec:       corev1.PodSpec{TerminationGracePeriodSeconds: new(grace)},
		}
	}
	h.cluster.Client = fake.NewClientset(pod("gateway", "soundextract", 60), pod("converter", "soundextract", 1830), pod("other", "other", 7200))
	if _, err := h.Apply(t.Context(), rendered(t, "1.0.0", nil)); err != nil {
		t.Fatal(err)
	}
	if err := h.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := 1830*time.Second + uninstallTimeout; client.timeout != want {
		t.Errorf("it waits for %v, want %v", client.timeout, want)
	}
}

// TestAppliedIsChecked checks that Helm stores the rendered manifest and
// values, for an install and an upgrade, and nothing if it would render another
// manifest.
func TestAppliedIsChecked(t *testing.T) {
	t.Parallel()
	h, _ := inMemory()
	for _, values := range []map[string]any{replicas(2), Keep(map[string]any{"converter": map[string]any{"logLevel": "debug"}}, replicas(2))} {
		checked := rendered(t, "1.0.0", values)
		if err := h.DryRun(t.Context(), checked); err != nil {
			t.Fatal(err)
		}
		info, err := h.Apply(t.Context(), checked)
		if err != nil {
			t.Fatal(err)
		}
		if info.Manifest != checked.Manifest {
			t.Errorf("the manifest of revision %d differs from the one that was checked", info.Revision)
		}
		if !reflect.DeepEqual(info.Values, checked.Values) {
			t.Errorf("revision %d has the values %v, want %v", info.Revision, info.Values, checked.Values)
		}
	}
	other := rendered(t, "1.0.0", replicas(3))
	other.Manifest = rendered(t, "1.0.0", replicas(4)).Manifest
	if _, err := h.Apply(t.Context(), other); err == nil || !strings.Contains(err.Error(), "differs from the one that was checked") {
		t.Errorf("another manifest: got %v", err)
	}
	if last, err := h.Last(t.Context()); err != nil || last.Revision != 2 || last.Status != Deployed {
		t.Errorf("afterwards: revision %d is %s, %v", last.Revision, last.Status, err)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.2.3", "dev", "0123456", "v1.2.3-4-gabc+dirty"} {
		c, err := load(version, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil || len(c.Dependencies()) != 6 {
			t.Errorf("%s: %d subcharts, %v", version, len(c.Dependencies()), err)
		}
	}
}

// TestRefusedByTheCluster checks that the revision fails and that the error has
// the reason.
func TestRefusedByTheCluster(t *testing.T) {
	t.Parallel()
	h, client := inMemory()
	if _, err := h.Apply(t.Context(), rendered(t, "1.0.0", nil)); err != nil {
		t.Fatal(err)
	}
	client.UpdateError = apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "x", errors.New("no right"))
	if _, err := h.Apply(t.Context(), rendered(t, "1.1.0", nil)); sx.CodeOf(err) != sx.CodeForbidden {
		t.Errorf("got %v", err)
	}
	if last, err := h.Last(t.Context()); err != nil || last.Revision != 2 || last.Status != Failed {
		t.Errorf("revision %d is %s, %v", last.Revision, last.Status, err)
	}
}

func TestWrapError(t *testing.T) {
	t.Parallel()
	h, _ := inMemory()
	_, refused := h.Apply(t.Context(), &Rendered{
		Version: "1.0.0", Values: map[string]any{"gateway": map[string]any{"replicas": "many"}}, Options: RenderOptions{Kubernetes: "v1.34.4"},
	})
	for _, tt := range []struct {
		err  error
		code sx.Code
		says string
	}{
		{nil, "", ""},
		{refused, sx.CodeInvalid, "gateway.replicas"},
		{fmt.Errorf("wrapped: %w", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "x", errors.New("no"))), sx.CodeForbidden, "permission denied"},
		{errors.New(`secrets is forbidden: User "eve" cannot list`), sx.CodeForbidden, "eve"},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, sx.CodeUnavailable, "lab"},
		{errors.New("Kubernetes cluster unreachable: x"), sx.CodeUnavailable, "lab"},
		{errors.New("another operation (install/upgrade/rollback) is in progress"), sx.CodeConflict, "in progress"},
		{errors.New("boom"), sx.CodeInternal, "Helm failed: boom"},
		{sx.NewError(sx.CodeNotFound, "known"), sx.CodeNotFound, "known"},
	} {
		err := h.wrapError(tt.err)
		if sx.CodeOf(err) != tt.code || err != nil && (!strings.Contains(err.Error(), tt.says) || sx.AsError(err).Hint == "") {
			t.Errorf("%v: got %v", tt.err, err)
		}
	}
}
