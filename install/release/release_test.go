package release

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/server/sx"
)

// inMemory is Helm on a cluster that takes everything.
func inMemory() (*helm, *kubefake.FailingKubeClient) {
	client := &kubefake.FailingKubeClient{PrintingKubeClient: kubefake.PrintingKubeClient{Out: io.Discard}}
	return &helm{
		name: "soundextract", cluster: &kube.Cluster{Target: kube.Target{Context: "lab", Namespace: "music"}},
		config: &action.Configuration{
			Releases: storage.Init(driver.NewMemory()), KubeClient: client,
			Capabilities: chartutil.DefaultCapabilities, Log: func(string, ...any) {},
		},
	}, client
}

func spec(t *testing.T, version string, values map[string]any) Spec {
	t.Helper()
	loaded, err := chart.Load(version)
	if err != nil {
		t.Fatal(err)
	}
	// The cluster that Helm's fake pretends to be is older than the chart's oldest.
	loaded.Metadata.KubeVersion = ""
	return Spec{Chart: loaded, Values: values}
}

func replicas(n int) map[string]any { return map[string]any{"gateway": map[string]any{"replicas": n}} }

// TestLife: an install, upgrades that keep values, one that forgets them, a
// roll-back and the removal.
func TestLife(t *testing.T) {
	t.Parallel()
	h, _ := inMemory()
	if last, err := h.Last(t.Context()); last != nil || err != nil {
		t.Errorf("at first: %v, %v", last, err)
	}
	if all, err := h.History(t.Context()); len(all) > 0 || err != nil {
		t.Errorf("at first: %v, %v", all, err)
	}
	apply := func(s Spec) {
		t.Helper()
		info, err := h.Apply(t.Context(), s)
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
	apply(spec(t, "1.0.0", replicas(2)))
	if first := last(); first.Revision != 1 || first.Version != "1.0.0" || !strings.Contains(first.Manifest, "soundextract/gateway:1.0.0") {
		t.Errorf("got revision %d of %s", first.Revision, first.Version)
	}
	apply(spec(t, "1.1.0", map[string]any{"auth": map[string]any{"registration": "closed"}}))
	gateways("2") // kept
	if second := last(); second.Version != "1.1.0" || !strings.Contains(second.Manifest, "soundextract/gateway:1.1.0") {
		t.Errorf("revision 2 is of %s", second.Version)
	}
	reset := spec(t, "1.1.0", map[string]any{})
	reset.Reset = true
	apply(reset)
	gateways("<nil>")

	info, err := h.Rollback(t.Context(), 1)
	if err != nil || info.Revision != 4 || info.Version != "1.0.0" {
		t.Errorf("rolled back to %+v, %v", info, err)
	}
	gateways("2")
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
	apply(spec(t, "1.1.0", nil)) // after a failure too
	for range 2 {                // what is gone is gone
		if err := h.Uninstall(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if gone, err := h.Last(t.Context()); gone != nil || err != nil {
		t.Errorf("left is %v, %v", gone, err)
	}
}

// TestRefusedByTheCluster: the revision is failed and the error tells.
func TestRefusedByTheCluster(t *testing.T) {
	t.Parallel()
	h, client := inMemory()
	if _, err := h.Apply(t.Context(), spec(t, "1.0.0", nil)); err != nil {
		t.Fatal(err)
	}
	client.UpdateError = apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "x", errors.New("no right"))
	if _, err := h.Apply(t.Context(), spec(t, "1.1.0", nil)); sx.CodeOf(err) != sx.CodeForbidden {
		t.Errorf("got %v", err)
	}
	if last, err := h.Last(t.Context()); err != nil || last.Revision != 2 || last.Status != Failed {
		t.Errorf("revision %d is %s, %v", last.Revision, last.Status, err)
	}
}

func TestWrapError(t *testing.T) {
	t.Parallel()
	cluster := &kube.Cluster{Target: kube.Target{Context: "lab"}}
	h, _ := inMemory()
	_, refused := h.Apply(t.Context(), spec(t, "1.0.0", map[string]any{"gateway": map[string]any{"replicas": "many"}}))
	for _, tt := range []struct {
		err  error
		code sx.Code
		says string
	}{
		{nil, "", ""},
		{refused, sx.CodeInvalid, "gateway.replicas"},
		{fmt.Errorf("wrapped: %w", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "x", errors.New("no"))), sx.CodeForbidden, "does not allow"},
		{errors.New(`secrets is forbidden: User "eve" cannot list`), sx.CodeForbidden, "eve"},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, sx.CodeUnavailable, "lab"},
		{errors.New("Kubernetes cluster unreachable: x"), sx.CodeUnavailable, "lab"},
		{errors.New("another operation (install/upgrade/rollback) is in progress"), sx.CodeConflict, "in progress"},
		{errors.New("boom"), sx.CodeInternal, "Helm says: boom"},
		{sx.NewError(sx.CodeNotFound, "known"), sx.CodeNotFound, "known"},
	} {
		err := wrapError(cluster, tt.err)
		if sx.CodeOf(err) != tt.code || err != nil && (!strings.Contains(err.Error(), tt.says) || sx.AsError(err).Hint == "") {
			t.Errorf("%v: got %v", tt.err, err)
		}
	}
}
