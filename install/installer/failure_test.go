package installer_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/watch"
	"github.com/soundextract/sx/server/sx"
)

// neverReady makes the StatefulSets that are patched unready.
func (l *fixture) neverReady(t *testing.T) {
	t.Helper()
	l.client.PrependReactor("patch", "statefulsets", func(a clienttesting.Action) (bool, runtime.Object, error) {
		found, err := l.client.Tracker().Get(a.GetResource(), namespace, a.(clienttesting.PatchAction).GetName())
		if err != nil {
			return true, nil, err
		}
		set := found.(*appsv1.StatefulSet).DeepCopy()
		set.Status.ReadyReplicas, set.Status.AvailableReplicas = 0, 0
		return false, nil, l.client.Tracker().Update(a.GetResource(), set, namespace)
	})
}

// TestFailedStep checks that a failed step of an upgrade does not mark the previous
// revision as failed, and is rolled back if that was requested.
func TestFailedStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newFixture(t, nil)
		there := &database{fcv: "6.0"}
		l.Exec = there.exec
		if _, err := l.Install(t.Context(), options("gateway.logLevel=debug", "mongodb.image.tag=6.0.27")); err != nil {
			t.Fatal(err)
		}
		l.stateful(t, "mongodb", "docker.io/library/mongo:6.0.27", "6.0")
		l.neverReady(t)
		o := options("mongodb.image.tag=8.0.29")
		_, err := l.Install(t.Context(), o)
		var problem *watch.Problem
		if !errors.As(err, &problem) || strings.Contains(sx.AsError(err).Hint, "sx rollback 1") {
			t.Fatalf("got %v", err)
		}
		if r := l.runner.revisions[0]; len(l.runner.revisions) != 1 || r.Status != release.Deployed {
			t.Errorf("revision 1 is %s", r.Status)
		}
		if v := l.values(t); v["gateway.logLevel"].Value != "debug" {
			t.Errorf("in force are %+v", v["gateway.logLevel"])
		}
	})
}

func TestRollbackOfFailedStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newFixture(t, nil)
		there := &database{fcv: "6.0"}
		l.Exec = there.exec
		if _, err := l.Install(t.Context(), options("mongodb.image.tag=6.0.27")); err != nil {
			t.Fatal(err)
		}
		l.stateful(t, "mongodb", "docker.io/library/mongo:6.0.27", "6.0")
		l.neverReady(t)
		o := options("mongodb.image.tag=8.0.29")
		o.RollbackOnFailure = true
		if _, err := l.Install(t.Context(), o); err == nil || !slices.Contains(l.runner.calls, "rollback 1") {
			t.Errorf("got %v, %q", err, l.runner.calls)
		}
	})
}

// TestRotationThatIsNotReady checks that the revision in force is not marked as failed.
func TestRotationThatIsNotReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newFixture(t, nil)
		if _, err := l.Install(t.Context(), options("gateway.logLevel=debug")); err != nil {
			t.Fatal(err)
		}
		if _, err := l.client.AppsV1().Deployments(namespace).Update(t.Context(), deployment(0), metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		err := l.Rotate(t.Context(), []string{"auth-keys"}, options().Timeout)
		var problem *watch.Problem
		if !errors.As(err, &problem) {
			t.Fatalf("got %v", err)
		}
		if r := l.runner.revisions[0]; r.Status != release.Deployed {
			t.Errorf("revision 1 is %s: %s", r.Status, r.Description)
		}
	})
}

// TestNoRollbackToOlderData checks that a failed install is not rolled back to programs
// that cannot use the data which it has changed.
func TestNoRollbackToOlderData(t *testing.T) {
	t.Parallel()
	bound := func(ordinal int) runtime.Object { return nodeClaim(ordinal, corev1.ClaimBound) }
	for name, tt := range map[string]struct {
		first, second string
		prepare       func(t *testing.T, l *fixture)
		words         string
	}{
		"version": {"mongodb.image.tag=7.0.31", "mongodb.image.tag=8.0.29", func(t *testing.T, l *fixture) {
			t.Helper()
			l.stateful(t, "mongodb", "docker.io/library/mongo:8.0.29", "8.0")
			l.Exec = (&database{fcv: "8.0"}).exec
		}, "the data of mongodb has version 8.0"},
		"nodes": {"rabbitmq.replicas=1", "rabbitmq.replicas=3", func(t *testing.T, l *fixture) {
			t.Helper()
			for _, n := range []int{0, 1, 2} {
				if err := l.client.Tracker().Add(bound(n)); err != nil {
					t.Fatal(err)
				}
			}
		}, "RabbitMQ has stored data on 3 nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newFixture(t, nil)
				if _, err := l.Install(t.Context(), options(tt.first)); err != nil {
					t.Fatal(err)
				}
				tt.prepare(t, l)
				l.runner.workload = deployment(0)
				o := options(tt.second)
				o.RollbackOnFailure = true
				_, err := l.Install(t.Context(), o)
				if err == nil || !strings.Contains(err.Error(), tt.words) || slices.Contains(l.runner.calls, "rollback 1") {
					t.Errorf("got %v, %q", err, l.runner.calls)
				}
			})
		})
	}
}

// TestFailureWithoutRevision checks that no rollback to the revision in force is
// suggested, which sx rollback would refuse.
func TestFailureWithoutRevision(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	l.runner.err = sx.NewError(sx.CodeForbidden, "no right")
	_, err := l.Install(t.Context(), options("gateway.replicas=2"))
	wantCode(t, err, sx.CodeForbidden)
	if strings.Contains(err.Error(), "rollback") {
		t.Errorf("got %v", err)
	}
}

// TestImageOfIntermediateStep checks that the image of an intermediate step does not keep
// the digest of the running one.
func TestImageOfIntermediateStep(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	l.stateful(t, "mongodb", "docker.io/library/mongo:6.0.5@sha256:"+strings.Repeat("0", 64), "6.0")
	l.Exec = (&database{fcv: "6.0"}).exec
	if _, err := l.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	if got := l.patches(); len(got) != 1 || !strings.Contains(got[0], `"docker.io/library/mongo:7.0.31"`) {
		t.Errorf("the images of the steps: %q", got)
	}
}

// TestRollbackOfImageThatNeverRan checks that data are not attributed to a RabbitMQ whose
// image could not be pulled.
func TestRollbackOfImageThatNeverRan(t *testing.T) {
	t.Parallel()
	l := newFixture(t, nil)
	for _, tag := range []string{"4.2.9-management", "4.3.5-management"} {
		if _, err := l.Install(t.Context(), options("rabbitmq.image.tag="+tag)); err != nil {
			t.Fatal(err)
		}
	}
	const image = "docker.io/library/rabbitmq:4.3.5-management"
	l.stateful(t, "rabbitmq", image, "4.2")
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-rabbitmq-0", Namespace: namespace, Labels: map[string]string{
		"app.kubernetes.io/name": "soundextract", "app.kubernetes.io/instance": name, "app.kubernetes.io/component": "rabbitmq",
	}}}
	pod.Spec.Containers = []corev1.Container{{Name: "rabbitmq", Image: image}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "rabbitmq", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}
	pods := l.client.CoreV1().Pods(namespace)
	if _, err := pods.Create(context.Background(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Rollback(t.Context(), 1, false, 0); err != nil {
		t.Errorf("it never ran: %v", err)
	}
	pod.Status.ContainerStatuses[0].ContainerID = "containerd://1"
	if _, err := pods.Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := l.Rollback(t.Context(), 1, false, 0)
	wantCode(t, err, sx.CodeConflict)
}

// TestRollbackOfBlockedDatabase checks that a rollback deletes the pod for which the
// StatefulSet would wait, unless MongoDB runs in it or it belongs to the new rollout.
func TestRollbackOfBlockedDatabase(t *testing.T) {
	t.Parallel()
	pulling := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	for name, tt := range map[string]struct {
		state    corev1.ContainerState
		revision string
		deleted  bool
	}{
		"no image":        {pulling, "bad", true},
		"runs":            {runs, "bad", false},
		"of the rollback": {pulling, "good", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newFixture(t, nil)
			for _, level := range []string{"info", "debug"} {
				if _, err := l.Install(t.Context(), options("gateway.logLevel="+level)); err != nil {
					t.Fatal(err)
				}
			}
			l.stateful(t, "mongodb", "docker.io/library/mongo:no-such-tag", "8.0")
			sets := l.client.AppsV1().StatefulSets(namespace)
			set, err := sets.Get(t.Context(), "soundextract-mongodb", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			set.UID, set.Status.UpdateRevision = "mongodb", "good"
			if _, err := sets.Update(t.Context(), set, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Name: "soundextract-mongodb-0", Namespace: namespace, Labels: maps.Clone(set.Labels),
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))},
			}}
			pod.Labels[appsv1.ControllerRevisionHashLabelKey] = tt.revision
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "mongodb", State: tt.state}, {Name: "users", State: runs}}
			pods := l.client.CoreV1().Pods(namespace)
			if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Rollback(t.Context(), 1, false, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := pods.Get(t.Context(), pod.Name, metav1.GetOptions{}); apierrors.IsNotFound(err) != tt.deleted {
				t.Errorf("got %v, want it deleted: %v", err, tt.deleted)
			}
		})
	}
}
