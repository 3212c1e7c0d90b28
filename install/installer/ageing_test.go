package installer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soundextract/sx/server/sx"
)

// stateful adds MongoDB or RabbitMQ to the cluster, with a claim whose annotation is data.
// image "" means that only the claim is there.
func (l *fixture) stateful(t *testing.T, part, image, data string) {
	t.Helper()
	labels := map[string]string{"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": name, "app.kubernetes.io/component": part}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-soundextract-" + part + "-0", Namespace: namespace, Labels: labels}}
	if data != "" {
		claim.Annotations = map[string]string{"soundextract.io/data-version": data}
	}
	if _, err := l.client.CoreV1().PersistentVolumeClaims(namespace).Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-" + part, Namespace: namespace, Labels: labels}}
	if _, err := l.client.CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	if image == "" {
		return
	}
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-" + part, Namespace: namespace, Labels: labels, Generation: 1}}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: part, Image: image}}
	if part == "mongodb" {
		set.Spec.Template.Spec.Containers = append(set.Spec.Template.Spec.Containers, corev1.Container{Name: "users", Image: image})
	}
	one := int32(1)
	set.Spec.Replicas = &one
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: 1, ReadyReplicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}
	if _, err := l.client.AppsV1().StatefulSets(namespace).Create(t.Context(), set, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// database is a fake of the programs in the pods of MongoDB and RabbitMQ.
type database struct {
	fcv   string
	calls []string
}

func (d *database) exec(_ context.Context, pod, _ string, command []string, stdin string) (string, error) {
	switch command[0] {
	case "rabbitmqctl":
		d.calls = append(d.calls, strings.Join(command[1:], " "))
		return "", nil
	case "mongosh":
		if _, set, ok := strings.Cut(stdin, "setFeatureCompatibilityVersion: \""); ok {
			d.fcv, _, _ = strings.Cut(set, "\"")
			confirm := ""
			if strings.Contains(set, "confirm: true") {
				confirm = ", confirmed"
			}
			d.calls = append(d.calls, "set "+d.fcv+confirm)
		}
		return "fcv=" + d.fcv + "\n", nil
	}
	return "", errors.New("unknown command in " + pod)
}

// patches lists the changes of StatefulSets that Helm did not make: the steps before the
// last.
func (l *fixture) patches() []string {
	var all []string
	for _, a := range l.client.Actions() {
		if patch, ok := a.(interface{ GetPatch() []byte }); ok && a.GetResource().Resource == "statefulsets" {
			all = append(all, string(patch.GetPatch()))
		}
	}
	return all
}

func (l *fixture) dataVersion(t *testing.T, part string) string {
	t.Helper()
	c, err := l.client.CoreV1().PersistentVolumeClaims(namespace).Get(t.Context(), "data-soundextract-"+part+"-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Annotations["soundextract.io/data-version"]
}

// TestUpgradeOfMongoDB checks that MongoDB is upgraded one step at a time, and that the
// feature compatibility version is raised after each.
func TestUpgradeOfMongoDB(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	l.stateful(t, "mongodb", "docker.io/library/mongo:6.0.5", "")
	there := &database{fcv: "6.0"}
	l.Exec = there.exec
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	if got := l.patches(); len(got) != 1 || strings.Count(got[0], "docker.io/library/mongo:7.0.31") != 2 {
		t.Errorf("the images of the steps: %q", got)
	}
	if want := []string{"set 7.0, confirmed"}; !slices.Equal(there.calls[:1], want) {
		t.Errorf("got %q, want %q", there.calls, want)
	}
	if !slices.Contains(l.warnings(), "MongoDB is upgraded: 6.0 → 7.0 → 8.0, in 2 steps with a restart each") {
		t.Errorf("the warnings are %q", l.warnings())
	}
	// The release itself is the last step. Helm would have changed the image.
	if l.runner.applied[0].Manifest == "" || !strings.Contains(l.runner.applied[0].Manifest, "mongo:8.0.29") {
		t.Error("the release does not have MongoDB 8.0")
	}
}

// TestLastStep checks that MongoDB's feature compatibility version and RabbitMQ's feature
// flags are raised once, after the release is ready, and not for new data.
func TestLastStep(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	l.stateful(t, "mongodb", "docker.io/library/mongo:8.0.29", "7.0")
	l.stateful(t, "rabbitmq", "docker.io/library/rabbitmq:4.3.5-management", "")
	there := &database{fcv: "7.0"}
	l.Exec = there.exec
	for range 2 {
		if _, err := l.Install(t.Context(), options()); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"set 8.0, confirmed"}; !slices.Equal(there.calls, want) {
		t.Errorf("got %q, want %q", there.calls, want)
	}
	for part, want := range map[string]string{"mongodb": "8.0", "rabbitmq": "4.3"} {
		if got := l.dataVersion(t, part); got != want {
			t.Errorf("the data of %s have the version %q, want %s", part, got, want)
		}
	}
}

func TestUpgradeOfRabbitMQ(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	l.stateful(t, "rabbitmq", "registry.example.org/rabbitmq:4.1.0-management", "4.1")
	there := &database{}
	l.Exec = there.exec
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	if got := l.patches(); len(got) != 1 || !strings.Contains(got[0], "registry.example.org/rabbitmq:4.2.9-management") {
		t.Errorf("the images of the steps: %q", got)
	}
	// Before the first step, after it, and after the release.
	if want := strings.Repeat("enable_feature_flag all,", 3); strings.Join(there.calls, ",")+"," != want {
		t.Errorf("got %q", there.calls)
	}
}

// TestRefusedVersions checks that data that are newer than the program, and steps that
// cannot be taken, are refused before anything changes, by a rollback too.
func TestRefusedVersions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		part, image, data string
		fcv               string
		set               string
		words, hint       string
	}{
		"newer":           {"mongodb", "docker.io/library/mongo:8.0.29", "8.0", "8.0", "mongodb.image.tag=7.0.31", "the data of mongodb has version 8.0, and MongoDB 7.0 cannot use it", "mongodb.image.tag=8.0.29"},
		"far older":       {"mongodb", "docker.io/library/mongo:8.0.29", "8.0", "8.0", "mongodb.image.tag=4.0.28", "MongoDB 4.0 cannot use it", "mongodb.image.tag=8.0.29"},
		"unknown":         {"mongodb", "docker.io/library/mongo:4.0.28", "", "4.0", "gateway.replicas=1", "has version 4.0, and no upgrade from there to 8.0 is known", "operations.md"},
		"not running":     {"mongodb", "", "6.0", "", "gateway.replicas=1", "MongoDB does not run: it cannot be upgraded to 8.0, which is 2 steps away", "mongodb.image.tag=7.0.31"},
		"pinned":          {"mongodb", "docker.io/library/mongo:6.0.5", "6.0", "6.0", "mongodb.image.digest=sha256:" + strings.Repeat("0", 64), "mongodb.image.digest allows only 8.0", "7.0.31"},
		"newer RabbitMQ":  {"rabbitmq", "docker.io/library/rabbitmq:4.3.5-management", "4.2", "", "rabbitmq.image.tag=4.2.9-management", "the data of rabbitmq has version 4.3", "rabbitmq.image.tag=4.3.5-management"},
		"RabbitMQ, steps": {"rabbitmq", "", "4.0", "", "gateway.replicas=1", "which is 3 steps away", "rabbitmq.image.tag=4.1.8-management"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newFixture(t, nil, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
			l.stateful(t, tt.part, tt.image, tt.data)
			there := &database{fcv: tt.fcv}
			l.Exec = there.exec
			_, err := l.Install(t.Context(), options(tt.set))
			wantCode(t, err, sx.CodeConflict)
			if hint := sx.AsError(err).Hint; !strings.Contains(err.Error(), tt.words) || !strings.Contains(hint, tt.hint) {
				t.Errorf("got %v, hint %s", err, hint)
			}
			if len(l.runner.calls)+len(there.calls)+len(l.patches()) > 0 {
				t.Errorf("it did %q, %q", l.runner.calls, there.calls)
			}
		})
	}
}

// TestRollbackOfVersions checks that a rollback to a program that cannot use the data is
// refused.
func TestRollbackOfVersions(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	there := &database{fcv: "7.0"}
	l.Exec = there.exec
	for _, tag := range []string{"7.0.31", "8.0.29"} {
		if _, err := l.Install(t.Context(), options("mongodb.image.tag="+tag)); err != nil {
			t.Fatal(err)
		}
	}
	l.stateful(t, "mongodb", "docker.io/library/mongo:8.0.29", "8.0")
	there.fcv = "8.0"
	_, err := l.Rollback(t.Context(), 1, false, 0)
	wantCode(t, err, sx.CodeConflict)
	there.fcv = "7.0" // it was not raised
	if _, err := l.Rollback(t.Context(), 1, false, 0); err != nil {
		t.Errorf("before the version was raised: %v", err)
	}
}
