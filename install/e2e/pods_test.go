//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestKilledPods kills the processes of each component's pods with SIGKILL while videos
// are converted: every job must complete once, with the same MP3 as in a run without
// faults.
func TestKilledPods(t *testing.T) {
	o := newOperator(within(t, 12*time.Minute), t, "e2e-pods")
	secure, _ := o.secured()
	// A low CPU limit ensures that a conversion outlasts the kill even on a fast machine.
	o.sx(o.install(append(secure, "--set", "gateway.replicas=2,converter.replicas=2,converter.conversions=2,converter.resources.limits.cpu=250m")...)...)
	o.register("ada")
	upload := []string{"upload", "--json", "--bitrate", "32", o.makeLong("talk0.mkv", 900), o.makeLong("talk1.mkv", 960)}
	want := o.digests(lines[job](o, o.sx(upload...)))

	var all []job
	for _, component := range []string{"converter", "gateway", "rabbitmq", "mongodb", "auth", "notifier"} {
		uploaded := lines[job](o, o.sx(append(upload, "--force")...)) // else the server has them already
		o.eventually(o.ctx, "a video is converted", func(context.Context) bool {
			return slices.ContainsFunc(uploaded, func(j job) bool { return o.job(j.ID).State == "running" })
		})
		killed := o.killPods(component)
		t.Logf("killed %d processes of %s", killed, component)
		all = append(all, uploaded...)
	}
	for _, j := range all {
		if got := o.digests([]job{j}); got[j.Name] != want[j.Name] {
			t.Errorf("the MP3 of %s has the digest %s, want %s as in the run without faults", j.Name, got[j.Name], want[j.Name])
		}
	}
	done := slices.DeleteFunc(o.jobs(), func(j listed) bool { return j.State != "done" })
	if len(done) != len(all)+len(want) {
		t.Errorf("%d jobs are done, want %d", len(done), len(all)+len(want))
	}
	t.Logf("%d videos, each completed once, with MP3s as in the run without faults", len(all))
}

// digests waits until the jobs are done and returns the MP3s' digests by name.
func (o *operator) digests(jobs []job) map[string]string {
	o.t.Helper()
	got := map[string]string{}
	for _, j := range jobs {
		o.sx("watch", j.ID)
		got[j.Name] = o.job(j.ID).Tracks[0].SHA256
	}
	return got
}

// killPods kills all processes of the component's pods, and waits until the component's
// pods are ready again.
func (o *operator) killPods(component string) int {
	o.t.Helper()
	killed := o.signalPods(component, "KILL")
	o.sx(o.at("status", "--wait")...)
	return killed
}

// signalPods sends a signal to all processes of the component's pods and returns their
// number.
func (o *operator) signalPods(component, signal string) int {
	o.t.Helper()
	sent := 0
	for _, p := range o.pods(component) {
		sent += o.signalPod(p, signal)
	}
	if sent == 0 {
		o.t.Errorf("no process of %s got the signal %s", component, signal)
	}
	return sent
}

// signalPod sends a signal to the processes in the pod's control group, from a pod that
// sees the node's processes.
func (o *operator) signalPod(p corev1.Pod, signal string) int {
	o.t.Helper()
	// The systemd unit of a pod contains its id with dashes or with
	// underscores.
	id := string(p.UID)
	script := fmt.Sprintf(`exec 2>/dev/null # some exit meanwhile
n=0
for f in $(grep -lE '%s|%s' /proc/[0-9]*/cgroup); do
	pid=${f#/proc/}; pid=${pid%%/cgroup}
	case $(tr '\0' ' ' </proc/$pid/cmdline) in */pause*|*pause\ *) continue;; esac
	kill -%s $pid && n=$((n+1))
done
echo $n`, id, strings.ReplaceAll(id, "-", "_"), signal)
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
