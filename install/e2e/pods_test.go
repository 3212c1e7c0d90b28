//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestKilledPods kills the processes of each pod with SIGKILL while 10 videos
// are converted: every job must complete once, with the same MP3 as in a run
// without faults.
func TestKilledPods(t *testing.T) {
	o := newOperator(within(t, 20*time.Minute), t, "e2e-pods")
	// A low CPU limit of the converter ensures that conversions outlast the
	// kills even on a fast machine.
	o.sx(o.install("--set", "gateway.replicas=2,converter.replicas=2,converter.conversions=2",
		"--set", "converter.resources.limits.cpu=500m")...)
	o.register("ada")
	const jobs = 10
	var videos []string
	for i := range jobs {
		videos = append(videos, o.makeLong(fmt.Sprintf("talk%d.mkv", i), 1800+20*i))
	}
	upload := append([]string{"upload", "--json", "--bitrate", "32"}, videos...)
	want := o.digests(upload)

	ended := make(chan result, 1)
	go func() { ended <- o.try(append(upload, "--force")...) }() // else the server has them already
	o.eventually(o.ctx, "the second upload has started", func(ctx context.Context) bool { return len(o.jobs()) > jobs })
	for _, component := range []string{"converter", "gateway", "rabbitmq", "mongodb", "auth", "notifier"} {
		unfinished := slices.DeleteFunc(o.jobs(), func(j listed) bool { return j.State == "done" })
		killed := o.killPods(component)
		t.Logf("killed %d processes of %s while %d videos were not done", killed, component, len(unfinished))
		if len(unfinished) == 0 {
			t.Errorf("all videos were done before %s was killed", component)
		}
	}
	r := <-ended
	if r.code != 0 {
		t.Fatalf("the uploads exited with %d:\n%s", r.code, r.all())
	}
	got := map[string]string{}
	for _, j := range lines[job](o, r.stdout) {
		o.sx("watch", j.ID)
		got[j.Name] = o.job(j.ID).Tracks[0].SHA256
	}
	if !maps.Equal(got, want) {
		t.Errorf("the MP3s are %v, want %v as in the run without faults", got, want)
	}
	all := o.jobs()
	done := slices.DeleteFunc(all, func(j listed) bool { return j.State != "done" })
	if len(done) != 2*jobs {
		t.Errorf("%d jobs are done, want %d", len(done), 2*jobs)
	}
	t.Logf("%d videos, %d completed once, %d MP3s as in the run without faults", jobs, len(done)-jobs, len(got))
}

// digests uploads videos with the given command and returns the MP3s' digests
// by name.
func (o *operator) digests(upload []string) map[string]string {
	o.t.Helper()
	got := map[string]string{}
	for _, j := range lines[job](o, o.sx(upload...)) {
		o.sx("watch", j.ID)
		got[j.Name] = o.job(j.ID).Tracks[0].SHA256
	}
	return got
}

// killPods kills all processes of the component's pods with SIGKILL, from a pod
// that sees the node's processes, and waits until the component's pods are
// ready again.
func (o *operator) killPods(component string) int {
	o.t.Helper()
	pods, err := cluster.Client.CoreV1().Pods(o.namespace).List(o.ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/component=" + component,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	killed := 0
	for _, p := range pods.Items {
		if p.Status.Phase == corev1.PodRunning {
			killed += o.killPod(p)
		}
	}
	if killed == 0 {
		o.t.Errorf("no process of %s was killed", component)
	}
	o.sx(o.at("status", "--wait")...)
	return killed
}

// killPod kills the processes in the pod's control group.
func (o *operator) killPod(p corev1.Pod) int {
	o.t.Helper()
	// The systemd unit of a pod contains its id with dashes or with
	// underscores.
	id := string(p.UID)
	script := fmt.Sprintf(`exec 2>/dev/null # some exit meanwhile
n=0
for f in $(grep -lE '%s|%s' /proc/[0-9]*/cgroup); do
	pid=${f#/proc/}; pid=${pid%%/cgroup}
	case $(tr '\0' ' ' </proc/$pid/cmdline) in */pause*|*pause\ *) continue;; esac
	kill -9 $pid && n=$((n+1))
done
echo $n`, id, strings.ReplaceAll(id, "-", "_"))
	root, no := int64(0), false
	killer := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "killer-", Namespace: "default"},
		Spec: corev1.PodSpec{
			NodeName: p.Spec.NodeName, HostPID: true, RestartPolicy: corev1.RestartPolicyNever,
			AutomountServiceAccountToken: &no,
			Containers: []corev1.Container{{
				Name: "killer", Image: o.image("converter"), Command: []string{"bash", "-c", script},
				SecurityContext: &corev1.SecurityContext{RunAsUser: &root},
			}},
		},
	}
	list := cluster.Client.CoreV1().Pods("default")
	made, err := list.Create(o.ctx, killer, metav1.CreateOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	now := int64(0)
	defer func() { _ = list.Delete(o.ctx, made.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}) }()
	o.eventually(o.ctx, "the killer has finished", func(ctx context.Context) bool {
		got, err := list.Get(ctx, made.Name, metav1.GetOptions{})
		return err == nil && (got.Status.Phase == corev1.PodSucceeded || got.Status.Phase == corev1.PodFailed)
	})
	log, err := list.GetLogs(made.Name, &corev1.PodLogOptions{}).DoRaw(o.ctx)
	if err != nil {
		o.t.Fatal(err)
	}
	var n int
	if _, err := fmt.Sscan(string(log), &n); err != nil {
		o.t.Errorf("the killer printed %s", log)
	}
	return n
}

// image returns the image that a component of the release runs.
func (o *operator) image(component string) string {
	o.t.Helper()
	d, err := cluster.Client.AppsV1().Deployments(o.namespace).Get(o.ctx, "soundextract-"+component, metav1.GetOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	return d.Spec.Template.Spec.Containers[0].Image
}
