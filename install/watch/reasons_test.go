package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/soundextract/sx/install/watch"
)

const name = "soundextract-gateway"

func claimed(message, reason string) []runtime.Object {
	p := unscheduled(pod(name+"-1", running()), "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found")
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-0"}}}}
	c := &corev1.PersistentVolumeClaim{ObjectMeta: named("data-0"), Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}}
	return []runtime.Object{p, c, event("PersistentVolumeClaim", "data-0", reason, message, 3)}
}

// TestReasons checks that Follow reports the reason of each failure, after the
// grace period and not before.
func TestReasons(t *testing.T) {
	t.Parallel()
	const x = name + "-1-x"
	tests := []struct {
		name    string
		objects func() []runtime.Object
		reason  string
		message string
		next    string
		log     bool
		grace   time.Duration
	}{
		{
			name: "image", reason: watch.ReasonImagePull, message: "no such host", next: "kubectl --context lab -n music describe pod " + x,
			objects: func() []runtime.Object {
				return []runtime.Object{
					pod(name+"-1", waiting("ImagePullBackOff", `Back-off pulling image "ghcr.io/soundextract/gateway:none": ErrImagePull: failed to do request: no such host`)),
					event("Pod", x, "Failed", `Failed to pull image "ghcr.io/soundextract/gateway:none": failed to do request: no such host`, 3),
				}
			},
		},
		{
			name: "pull limit", reason: watch.ReasonImagePull, message: "limits anonymous pulls", next: "sx install --image-pull-secret NAME --context lab -n music",
			objects: func() []runtime.Object {
				return []runtime.Object{
					pod(name+"-1", waiting("ErrImagePull", "toomanyrequests: You have reached your unauthenticated pull rate limit")),
					event("Pod", x, "Failed", `Failed to pull image "ghcr.io/soundextract/gateway:none": toomanyrequests: You have reached your unauthenticated pull rate limit`, 3),
				}
			},
		},
		{
			name: "never pulled", reason: watch.ReasonImagePull, message: "not present with pull policy of Never", next: "describe pod",
			objects: func() []runtime.Object {
				return []runtime.Object{
					pod(name+"-1", waiting("ErrImageNeverPull", `Container image "x" is not present with pull policy of Never`)),
					event("Pod", x, "Failed", "Error: ErrImageNeverPull", 1),
				}
			},
		},
		{
			name: "image's name", reason: watch.ReasonImagePull, message: "invalid reference format", next: "describe pod",
			objects: func() []runtime.Object {
				return []runtime.Object{
					pod(name+"-1", waiting("InvalidImageName", `couldn't parse image name "Not/A::x": invalid reference format`)),
					event("Pod", x, "InspectFailed", "Failed to apply default image tag", 1),
				}
			},
		},
		{
			name: "crash loop", reason: watch.ReasonCrashLoop, message: "exited with code 3, restarted 3 times", log: true,
			next:    "kubectl --context lab -n music logs " + x + " -c gateway --previous",
			objects: func() []runtime.Object { return []runtime.Object{pod(name+"-1", crashed(3, "Error", 3))} },
		},
		{
			name: "init container", reason: watch.ReasonCrashLoop, message: "exited with code 1", next: "-c init --previous", log: true,
			objects: func() []runtime.Object {
				p := pod(name+"-1", waiting("PodInitializing", ""))
				s := crashed(3, "Error", 1)
				s.Name = "init"
				p.Status.InitContainerStatuses = []corev1.ContainerStatus{s}
				return []runtime.Object{p}
			},
		},
		{
			name: "memory", reason: watch.ReasonOutOfMemory, message: "exceeded its memory limit", next: "describe pod", log: true,
			objects: func() []runtime.Object { return []runtime.Object{pod(name+"-1", crashed(4, "OOMKilled", 137))} },
		},
		{
			name: "secret of ours", reason: watch.ReasonConfig, message: `secret "soundextract-rabbitmq" not found`, next: "sx install --context lab -n music", grace: 15 * time.Second,
			objects: func() []runtime.Object {
				return []runtime.Object{
					pod(name+"-1", waiting("CreateContainerConfigError", `secret "soundextract-rabbitmq" not found`)),
					event("Pod", x, "Failed", `Error: secret "soundextract-rabbitmq" not found`, 1),
				}
			},
		},
		{
			name: "mount", reason: watch.ReasonMount, message: `configmap "other" not found`, next: "describe pod", grace: 15 * time.Second,
			objects: func() []runtime.Object {
				return []runtime.Object{
					pod(name+"-1", waiting("ContainerCreating", "")),
					event("Pod", x, "FailedMount", `MountVolume.SetUp failed for volume "v" : configmap "other" not found`, 1),
				}
			},
		},
		{
			name: "mounts of the same second", reason: watch.ReasonMount, message: `volume "v1"`, next: "describe pod", grace: 15 * time.Second,
			objects: func() []runtime.Object {
				all := []runtime.Object{pod(name+"-1", waiting("ContainerCreating", ""))}
				now := metav1.Now()
				for i := range 9 {
					e := event("Pod", x, "FailedMount", fmt.Sprintf(`MountVolume.SetUp failed for volume "v%d" : configmap "other" not found`, 9-i), int32(i+1))
					e.FirstTimestamp, e.LastTimestamp = now, now
					all = append(all, e)
				}
				return all
			},
		},
		{
			name: "no default class", reason: watch.ReasonClaim, message: "no default one", next: "kubectl --context lab -n music get storageclass",
			objects: func() []runtime.Object {
				return claimed("no persistent volumes available for this claim and no storage class is set", "FailedBinding")
			},
		},
		{
			name: "unknown class", reason: watch.ReasonClaim, message: `"no-such-class" not found`, next: "get storageclass",
			objects: func() []runtime.Object {
				return claimed(`storageclass.storage.k8s.io "no-such-class" not found`, "ProvisioningFailed")
			},
		},
		{
			name: "provisioner", reason: watch.ReasonClaim, message: "out of disks", next: "describe pvc data-0", grace: 45 * time.Second,
			objects: func() []runtime.Object { return claimed("out of disks", "ProvisioningFailed") },
		},
		{
			name: "unschedulable", reason: watch.ReasonUnschedulable, message: "1 Insufficient cpu", next: "describe nodes", grace: time.Minute,
			objects: func() []runtime.Object {
				return []runtime.Object{unscheduled(pod(name+"-1", running()), "0/1 nodes are available: 1 Insufficient cpu.")}
			},
		},
		{
			name: "autoscaler", reason: watch.ReasonUnschedulable, message: "1 Insufficient cpu", next: "describe nodes", grace: 5 * time.Minute,
			objects: func() []runtime.Object {
				return []runtime.Object{
					unscheduled(pod(name+"-1", running()), "0/1 nodes are available: 1 Insufficient cpu."),
					event("Pod", x, "TriggeredScaleUp", "pod triggered scale-up", 1),
				}
			},
		},
		{
			name: "quota", reason: watch.ReasonQuota, message: "exceeded quota: four-pods", next: "describe resourcequota", grace: 15 * time.Second,
			objects: func() []runtime.Object {
				return []runtime.Object{event("ReplicaSet", name+"-1", "FailedCreate", `Error creating: pods "y" is forbidden: exceeded quota: four-pods, requested: pods=1`, 9)}
			},
		},
		{
			name: "pod security", reason: watch.ReasonRefused, message: `violates PodSecurity "restricted:latest"`, next: "get namespace music --show-labels", grace: 15 * time.Second,
			objects: func() []runtime.Object {
				return []runtime.Object{event("ReplicaSet", name+"-1", "FailedCreate", `(combined from similar events): Error creating: pods "y" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`, 6)}
			},
		},
		{
			name: "webhook", reason: watch.ReasonRefused, message: "no-pods.example.org", next: "get validatingwebhookconfigurations", grace: 15 * time.Second,
			objects: func() []runtime.Object {
				return []runtime.Object{event("ReplicaSet", name+"-1", "FailedCreate", `Error creating: admission webhook "no-pods.example.org" denied the request: no`, 6)}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, _ := cluster(append(deployment(name, 1), tt.objects()...)...)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				start := time.Now()
				var rows []watch.Row
				err := watch.Follow(ctx, c, release, func(r []watch.Row) { rows = r })
				var p *watch.Problem
				if !errors.As(err, &p) {
					t.Fatalf("got %v", err)
				}
				after(t, start, tt.grace, tt.grace+2*time.Second)
				if !p.Fatal || p.Object != "Deployment/"+name || p.Reason != tt.reason || !strings.Contains(p.Message, tt.message) {
					t.Errorf("got %+v", p)
				}
				if !strings.Contains(p.Next, tt.next) {
					t.Errorf("next is %q, want %q", p.Next, tt.next)
				}
				if tt.log != slices.Equal(p.Log, []string{"fake logs"}) {
					t.Errorf("the log is %q", p.Log)
				}
				if len(rows) != 1 || rows[0].State != watch.StateFailed || rows[0].Component != "gateway" || rows[0].Desired != 1 || !strings.Contains(rows[0].Reason, tt.message) {
					t.Errorf("the rows are %+v", rows)
				}
			})
		})
	}
}

// TestTransient checks that a problem that may resolve itself is reported at
// the timeout, and does not end the wait before.
func TestTransient(t *testing.T) {
	t.Parallel()
	const x = name + "-1-x"
	tests := []struct {
		name, reason, message string
		objects               func() []runtime.Object
	}{
		{"one crash", watch.ReasonCrashLoop, "restarted once", func() []runtime.Object {
			return []runtime.Object{pod(name+"-1", crashed(1, "Error", 1))}
		}},
		{"two attempts to pull", watch.ReasonImagePull, "no such host", func() []runtime.Object {
			return []runtime.Object{
				pod(name+"-1", waiting("ErrImagePull", "no such host")),
				event("Pod", x, "Failed", `Failed to pull image "ghcr.io/soundextract/gateway:none": no such host`, 2),
			}
		}},
		{"probe", watch.ReasonNotReady, "Readiness probe failed: connection refused", func() []runtime.Object {
			return []runtime.Object{pod(name+"-1", running()), event("Pod", x, "Unhealthy", "Readiness probe failed: connection refused", 3)}
		}},
		{"node", watch.ReasonNodeNotReady, "node-1 is not ready", func() []runtime.Object {
			return []runtime.Object{pod(name+"-1", running()), event("Pod", x, "NodeNotReady", "Node is not ready", 1)}
		}},
		{"evicted", watch.ReasonEvicted, "low on resource", func() []runtime.Object {
			p := pod(name+"-1", running())
			p.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
			return []runtime.Object{p}
		}},
		{"nothing yet", watch.ReasonNotReady, "waiting for its pods", func() []runtime.Object { return nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, _ := cluster(append(deployment(name, 1), tt.objects()...)...)
				ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
				defer cancel()
				start := time.Now()
				err := watch.Wait(ctx, c, release, nil, nil)
				after(t, start, 8*time.Minute, 8*time.Minute)
				var p *watch.Problem
				if !errors.As(err, &p) || p.Fatal || p.Reason != tt.reason || !strings.Contains(err.Error(), tt.message) || p.Next == "" {
					t.Errorf("got %v, %+v", err, p)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "timed out: ") {
					t.Errorf("%v is not a timeout", err)
				}
			})
		})
	}
}

// TestStatefulSetBlocked covers an ordered StatefulSet, which waits forever for
// a pod of the previous rollout that is not ready.
func TestStatefulSetBlocked(t *testing.T) {
	t.Parallel()
	s := &appsv1.StatefulSet{ObjectMeta: named("soundextract-mongodb"), Status: appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: 1, UpdateRevision: "new"}}
	p := pod("soundextract-mongodb", crashed(3, "Error", 132))
	p.ObjectMeta = owned(p.ObjectMeta, "StatefulSet", s.Name)
	p.Labels[appsv1.ControllerRevisionHashLabelKey] = "old"
	c, _ := cluster(s, p)
	rows, problems, err := watch.Status(t.Context(), c, release, nil)
	if err != nil || len(rows) != 1 || rows[0].Kind != "StatefulSet" || rows[0].Ready != 0 {
		t.Fatalf("got %+v, %v", rows, err)
	}
	if len(problems) != 1 || problems[0].Reason != watch.ReasonOldPodBlocks || !strings.Contains(problems[0].Message, "AVX") ||
		problems[0].Next != "kubectl --context lab -n music delete pod "+p.Name {
		t.Errorf("got %+v", problems)
	}
}
