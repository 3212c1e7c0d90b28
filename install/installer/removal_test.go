package installer_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/sx"
)

// installed is a fixture with an installation that has a volume.
func installed(t *testing.T) *fixture {
	t.Helper()
	l := newFixture(t, nil)
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Name: "data-soundextract-mongodb-0", Namespace: namespace,
		Labels: map[string]string{"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": name},
	}}
	claim.Spec.Resources.Requests = corev1.ResourceList{"storage": resource.MustParse("8Gi")}
	if _, err := l.client.CoreV1().PersistentVolumeClaims(namespace).Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := l.client.AppsV1().Deployments(namespace).Delete(t.Context(), "soundextract-gateway", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err) // in place of Helm
	}
	return l
}

func (l *fixture) inventory(t *testing.T) installer.Inventory {
	t.Helper()
	b, err := l.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestUninstallKeepsData(t *testing.T) {
	t.Parallel()
	l := installed(t)
	b := l.inventory(t)
	if !slices.Contains(b.Objects, "StatefulSet/soundextract-mongodb") || b.Volumes[0].Size != "8Gi" || len(b.Secrets) != 6 || !b.Namespace {
		t.Errorf("the inventory is %+v", b)
	}
	if err := l.Uninstall(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	b = l.inventory(t)
	if len(b.Objects) != 0 || len(b.Volumes) != 1 || len(b.Secrets) != 6 || !b.Namespace {
		t.Errorf("left are %+v", b)
	}
}

// TestUninstallSaysWhatItWaitsFor has a converter that may finish what it converts.
func TestUninstallSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	l := installed(t)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "converter", Namespace: namespace, Labels: map[string]string{"app.kubernetes.io/instance": name}}}
	pod.Spec.TerminationGracePeriodSeconds = new(int64(1830))
	if _, err := l.client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := l.Uninstall(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	said := slices.ContainsFunc(l.events, func(e installer.Event) bool {
		return e.State == installer.Started && e.Detail == "converters may take 30m30s to finish what they convert"
	})
	if !said {
		t.Errorf("the events are %+v", l.events)
	}
}

// TestReinstall checks that an install after an uninstall that kept the data uses the
// values again, and that a wipe removes them.
func TestReinstall(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	if _, err := l.Install(t.Context(), options("auth.registration=closed", "gateway.quota=1GiB")); err != nil {
		t.Fatal(err)
	}
	if err := l.Uninstall(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	kept := l.values(t)
	if v := kept["gateway.quota"]; v.Value != "1GiB" || v.Source != (values.Source{From: "--set"}) {
		t.Errorf("after the uninstall: %+v", v)
	}
	if _, err := l.Install(t.Context(), options("gateway.quota=2GiB")); err != nil {
		t.Fatal(err)
	}
	again := l.values(t)
	if r, q := again["auth.registration"], again["gateway.quota"]; r.Value != "closed" || q.Value != "2GiB" || q.Source.Revision != 1 {
		t.Errorf("after the install: %+v, %+v", r, q)
	}
	if err := l.Uninstall(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	_, err := l.Values(t.Context())
	wantCode(t, err, sx.CodeNotFound)
}

func TestWipe(t *testing.T) {
	t.Parallel()
	l := installed(t)
	if err := l.Uninstall(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if b := l.inventory(t); !b.None() {
		t.Errorf("left are %+v", b)
	}
	if err := l.Uninstall(t.Context(), true); err != nil {
		t.Errorf("repeated: %v", err)
	}
}

// TestWipeSparesTheNamespace checks that a namespace with other objects is
// kept, and so is one that sx did not create.
func TestWipeSparesTheNamespace(t *testing.T) {
	t.Parallel()
	l := installed(t)
	other := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: namespace}}
	if _, err := l.client.CoreV1().Secrets(namespace).Create(t.Context(), other, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := l.Uninstall(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if b := l.inventory(t); !b.Namespace || len(b.Volumes)+len(b.Secrets) > 0 {
		t.Errorf("left are %+v", b)
	}
	warned := slices.ContainsFunc(l.events, func(e installer.Event) bool { return e.State == installer.Warning })
	if _, err := l.client.CoreV1().Secrets(namespace).Get(t.Context(), "theirs", metav1.GetOptions{}); err != nil || !warned {
		t.Errorf("their secret: %v; warned: %v", err, warned)
	}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	_, err := l.Rollback(t.Context(), 0, false, 0)
	wantCode(t, err, sx.CodeNotFound)
	statuses := []release.Status{release.Superseded, release.Failed, release.Deployed, release.Failed}
	for i, s := range statuses {
		l.runner.revisions = append(l.runner.revisions, release.Info{Revision: i + 1, Status: s, Description: "no such image"})
	}
	for revision, want := range map[int]string{0: "rollback 3", 1: "rollback 1"} {
		l.runner.calls, l.runner.revisions = nil, l.runner.revisions[:len(statuses)]
		if _, err := l.Rollback(t.Context(), revision, false, 0); err != nil || !slices.Equal(l.runner.calls, []string{want}) {
			t.Errorf("%d: %q, %v", revision, l.runner.calls, err)
		}
	}
	l.runner.revisions = l.runner.revisions[:len(statuses)]
	for revision, code := range map[int]sx.Code{4: sx.CodeInvalid, 7: sx.CodeNotFound} {
		_, err := l.Rollback(t.Context(), revision, false, 0)
		wantCode(t, err, code)
	}
	_, err = l.Rollback(t.Context(), 2, false, 0)
	wantCode(t, err, sx.CodeInvalid)
	if hint := sx.AsError(err).Hint; err.Error() != "revision 2 failed: no such image" || !strings.Contains(hint, "rollback 3") {
		t.Errorf("to a failed revision: got %v, hint %s", err, hint)
	}
	one := "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: soundextract-rabbitmq}\nspec: {replicas: 1, volumeClaimTemplates: [{metadata: {name: data}}]}\n"
	l.runner.revisions[0].Manifest, l.runner.calls = one, nil
	if _, err := l.client.CoreV1().PersistentVolumeClaims(namespace).Create(t.Context(), nodeClaim(1, corev1.ClaimBound), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = l.Rollback(t.Context(), 1, false, 0)
	wantCode(t, err, sx.CodeInvalid)
	if len(l.runner.calls) > 0 {
		t.Errorf("a roll-back to fewer nodes did %q", l.runner.calls)
	}
}
