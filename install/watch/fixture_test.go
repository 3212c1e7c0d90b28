package watch_test

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/soundextract/sx/install/kube"
)

// The objects below have the form that a cluster with Kubernetes 1.34 showed
// when each failure was provoked.

const (
	namespace = "music"
	release   = "soundextract"
)

func cluster(objects ...runtime.Object) (*kube.Cluster, *fake.Clientset) {
	client := fake.NewClientset(objects...)
	return &kube.Cluster{Target: kube.Target{Context: "lab", Namespace: namespace}, Client: client}, client
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: namespace, UID: types.UID(name), Generation: 1, CreationTimestamp: metav1.Now(),
		Labels: map[string]string{"app.kubernetes.io/instance": release, "app.kubernetes.io/component": "gateway"},
	}
}

func owned(m metav1.ObjectMeta, kind, owner string) metav1.ObjectMeta {
	yes := true
	m.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: owner, UID: types.UID(owner), Controller: &yes}}
	return m
}

const revisionNote = "deployment.kubernetes.io/revision"

// deployment is a Deployment that waits for one pod, at a revision, with the
// ReplicaSets up to it: NAME-1, NAME-2 and so on.
func deployment(name string, revision int) []runtime.Object {
	d := &appsv1.Deployment{ObjectMeta: named(name), Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1}}
	d.Annotations = map[string]string{revisionNote: fmt.Sprint(revision)}
	objects := []runtime.Object{d}
	for i := range revision {
		rs := &appsv1.ReplicaSet{ObjectMeta: owned(named(fmt.Sprintf("%s-%d", name, i+1)), "Deployment", name)}
		rs.Annotations = map[string]string{revisionNote: fmt.Sprint(i + 1)}
		objects = append(objects, rs)
	}
	return objects
}

func available(d *appsv1.Deployment) *appsv1.Deployment {
	d = d.DeepCopy()
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
	return d
}

// pod is a pod of a ReplicaSet on a node, whose only container has the given
// status.
func pod(set string, status corev1.ContainerStatus) *corev1.Pod {
	status.Name = "gateway"
	p := &corev1.Pod{ObjectMeta: owned(named(set+"-x"), "ReplicaSet", set)}
	p.Spec.NodeName = "node-1"
	p.Status = corev1.PodStatus{
		Phase:             corev1.PodPending,
		Conditions:        []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}},
		ContainerStatuses: []corev1.ContainerStatus{status},
	}
	if status.State.Waiting == nil || status.RestartCount > 0 {
		p.Status.Phase = corev1.PodRunning
	}
	return p
}

func unscheduled(p *corev1.Pod, message string) *corev1.Pod {
	p.Spec.NodeName = ""
	p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message, LastTransitionTime: metav1.Now(),
	}}}
	return p
}

func waiting(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Image: "ghcr.io/soundextract/gateway:none", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
	}}
}

func crashed(restarts int32, reason string, code int32) corev1.ContainerStatus {
	s := waiting("CrashLoopBackOff", "back-off 40s restarting failed container=gateway")
	s.RestartCount = restarts
	s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, StartedAt: metav1.Now(), FinishedAt: metav1.Now()}
	return s
}

func running() corev1.ContainerStatus {
	return corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}}
}

// event is an event of an object that occurred count times until now.
func event(kind, object, reason, message string, count int32) *corev1.Event {
	e := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: object + "." + reason + fmt.Sprint(count), Namespace: namespace},
		InvolvedObject: corev1.ObjectReference{Kind: kind, Name: object, Namespace: namespace, UID: types.UID(object)},
		Reason:         reason, Message: message, Count: count, FirstTimestamp: metav1.Now(), LastTimestamp: metav1.Now(), Type: corev1.EventTypeWarning,
	}
	if reason == "Unhealthy" {
		e.InvolvedObject.FieldPath = "spec.containers{gateway}"
	}
	return e
}

func after(t *testing.T, start time.Time, least, most time.Duration) {
	t.Helper()
	if took := time.Since(start); took < least || took > most {
		t.Errorf("reported after %v, want %v to %v", took, least, most)
	}
}
