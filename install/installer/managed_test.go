package installer_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

// TestManagedByFlux installs over a release that Flux has made: unlike Argo CD, it makes one
// of Helm.
func TestManagedByFlux(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	deployments := l.client.AppsV1().Deployments(namespace)
	d, err := deployments.Get(t.Context(), "soundextract-gateway", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.Labels = map[string]string{
		"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": name, "helm.toolkit.fluxcd.io/name": "soundextract",
	}
	d.Annotations = map[string]string{"meta.helm.sh/release-name": name}
	if _, err := deployments.Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = l.Install(t.Context(), options())
	if known := sx.AsError(err); known.Code != sx.CodeConflict || !strings.Contains(known.Message, "is managed by Flux") || !strings.Contains(known.Hint, "change its values there") {
		t.Errorf("got %v", err)
	}
	delete(d.Labels, "helm.toolkit.fluxcd.io/name")
	if _, err := deployments.Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Errorf("without Flux's label: %v", err)
	}
}
