package installer_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/secrets"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	l.runner.revisions[0].Manifest = strings.Replace(l.runner.revisions[0].Manifest, "replicas: 1", "replicas: 7", 1) + `
---
apiVersion: v1
kind: Secret
metadata: {name: by-helm}
data: {password: aHVudGVyMg==}
`
	changes, err := l.Diff(t.Context(), options().InstallRequest)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range changes {
		got[c.Change] += c.Object + "\n" + c.Diff
	}
	if !strings.Contains(got["changed"], "-  replicas: 7\n+  replicas: 1\n") {
		t.Errorf("changed:\n%s", got["changed"])
	}
	if removed := got["removed"]; !strings.Contains(removed, "Secret/by-helm") || strings.Contains(removed, "aHVudGVyMg==") {
		t.Errorf("removed:\n%s", removed)
	}
	if len(got["added"]) > 0 {
		t.Errorf("added:\n%s", got["added"])
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
