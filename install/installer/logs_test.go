package installer_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/logs"
)

// TestContainersThatWait checks that the log of a container's last run is read once while
// it waits for its next start, as in a crash loop.
func TestContainersThatWait(t *testing.T) {
	t.Parallel()
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}
	for name, tt := range map[string]struct {
		status   corev1.ContainerStatus
		previous bool
		lines    int
	}{
		"crash loop":               {corev1.ContainerStatus{State: waiting, LastTerminationState: ended}, false, 1},
		"crash loop, previous":     {corev1.ContainerStatus{State: waiting, LastTerminationState: ended}, true, 1},
		"running again, previous":  {corev1.ContainerStatus{State: running, LastTerminationState: ended}, true, 2},
		"running again":            {corev1.ContainerStatus{State: running, LastTerminationState: ended}, false, 1},
		"it has never run so far":  {corev1.ContainerStatus{State: waiting}, true, 0},
		"running for the 1st time": {corev1.ContainerStatus{State: running}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "soundextract-converter-1", Namespace: "music", Labels: map[string]string{"app.kubernetes.io/instance": "soundextract"}}}
			tt.status.Name = "converter"
			if tt.lines > 0 {
				tt.status.ContainerID = "containerd://1"
			}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{tt.status}
			cluster := &kube.Cluster{Target: kube.Target{Namespace: "music"}, Client: fake.NewClientset(pod)}
			lines := 0
			err := logs.Stream(t.Context(), cluster, "soundextract", logs.Options{Previous: tt.previous}, func(logs.Line) { lines++ })
			if err != nil || lines != tt.lines {
				t.Errorf("%d lines, want %d; %v", lines, tt.lines, err)
			}
		})
	}
}
