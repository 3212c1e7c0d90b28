package installer_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
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

// TestManagedElsewhere checks that commands that would change an installation of another
// tool, or that need a Helm release, say what to do instead and change nothing.
func TestManagedElsewhere(t *testing.T) {
	t.Parallel()
	for command, tt := range map[string]struct {
		run  func(l *fixture) error
		hint string
		// released reports that it works if there is a Helm release, as Flux makes one.
		released bool
	}{
		"install": {func(l *fixture) error { _, err := l.Install(t.Context(), options()); return err }, "change its values there", false},
		"diff":    {func(l *fixture) error { _, err := l.Diff(t.Context(), options().InstallRequest); return err }, "change its values there", true},
		"dry run": {func(l *fixture) error { _, _, err := l.Manifest(t.Context(), options().InstallRequest); return err }, "change its values there", true},
		"history": {func(l *fixture) error { _, err := l.History(t.Context()); return err }, "only that tool knows its revisions", true},
		"values":  {func(l *fixture) error { _, err := l.Values(t.Context()); return err }, "its values are there", true},
		"rollback": {
			func(l *fixture) error { _, err := l.Rollback(t.Context(), 1, false, 0); return err },
			"go back to an earlier revision there", false,
		},
		"secrets rotate": {
			func(l *fixture) error { return l.Rotate(t.Context(), []string{"auth-keys"}, time.Minute) },
			"change the Secrets where they are kept", false,
		},
		"backup restore": {
			func(l *fixture) error {
				_, err := l.RestoreBackup(t.Context(), strings.NewReader(""), time.Minute)
				return err
			},
			"kubectl --context lab -n music scale deployment --replicas=0 -l app.kubernetes.io/instance=soundextract", false,
		},
		"inventory": {func(l *fixture) error { _, err := l.Inventory(t.Context()); return err }, "remove it there", false},
		"uninstall": {func(l *fixture) error { return l.Uninstall(t.Context(), true) }, "remove it there", false},
	} {
		for _, released := range []bool{false, true} {
			where := command + ", Argo CD"
			if released {
				where = command + ", Flux"
			}
			t.Run(where, func(t *testing.T) {
				t.Parallel()
				gateway, tool := deployment(1), "Argo CD"
				gateway.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "x"}
				if released {
					gateway.Annotations = nil
					gateway.Labels["helm.toolkit.fluxcd.io/name"], tool = name, "Flux"
				}
				l := newFixture(t, nil, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
				l.runner.workload = gateway
				if released {
					if _, err := l.Install(t.Context(), options()); err != nil {
						t.Fatal(err)
					}
				} else if _, err := l.client.AppsV1().Deployments(namespace).Create(t.Context(), gateway, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
				l.runner.calls = nil
				err := tt.run(l)
				if released && tt.released {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantCode(t, err, sx.CodeConflict)
				known := sx.AsError(err)
				if !strings.Contains(known.Message, "is managed by "+tool) || !strings.Contains(known.Hint, tt.hint) {
					t.Errorf("got %v, hint %s", err, known.Hint)
				}
				if len(l.runner.calls) > 0 {
					t.Errorf("it did %q", l.runner.calls)
				}
			})
		}
	}
}
