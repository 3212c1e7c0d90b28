//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestGitOps applies a rendering of the chart as Argo CD does, twice: the second time
// changes nothing. sx works with the installation, and leaves changes to its manager.
func TestGitOps(t *testing.T) {
	t.Parallel()
	o := newOperator(within(t, 8*time.Minute), t, "e2e-gitops")
	o.createNamespace()
	o.kubectl("", "label", "namespace", o.namespace, "pod-security.kubernetes.io/enforce=restricted")
	o.kubectl(o.sx(o.at("secrets", "generate")...), "apply", "-f", "-")
	o.kubectl(o.rendering(), "apply", "-f", "-")
	o.sx(o.at("status", "--wait")...)

	pods, applied := o.starts(), o.applied()
	o.kubectl(o.rendering(), "apply", "-f", "-")
	if now := o.applied(); !slices.Equal(now, applied) {
		t.Errorf("the second kubectl apply has changed something: %v, before %v", now, applied)
	}
	o.use()
	o.register("ada")
	o.sx("convert", o.makeVideo("talk.mkv", 5, 440), "-o", filepath.Join(o.home, "talk.mp3"))
	o.sx(o.at("status")...)
	// The cluster may have no room for a rollout, which is a warning.
	if r := o.try(o.at("doctor", "--json")...); strings.Contains(r.stdout, `"outcome":"fatal"`) || !strings.Contains(r.stdout, `"outcome":"ok"`) {
		t.Errorf("sx doctor printed\n%s", r.all())
	}
	if log := o.sx(o.at("logs", "gateway")...); !strings.Contains(log, "gateway") {
		t.Errorf("sx logs printed\n%s", log)
	}
	o.sx(o.at("support-bundle", "-o", filepath.Join(o.home, "bundle.tar.gz"))...)
	o.leftToManager()
	if now := o.starts(); !slices.Equal(now, pods) {
		t.Errorf("the pods are %v, and were %v", now, pods)
	}
	o.restoredStopped()
}

// leftToManager checks that commands that would change the installation, or that need a
// release of Helm, say what to do instead.
func (o *operator) leftToManager() {
	o.t.Helper()
	for _, c := range []struct {
		hint string
		args []string
	}{
		{"change its values there", o.install()},
		{"change its values there", o.at("diff")},
		{"only that tool knows its revisions", o.at("history")},
		{"its values are there", o.at("values")},
		{"go back to an earlier revision there", o.at("rollback")},
		{"change the Secrets where they are kept", o.at("secrets", "rotate", "all", "--yes")},
		{"remove it there", o.at("uninstall", "--yes")},
		{"remove it there", o.at("uninstall", "--wipe-data", "--confirm", "soundextract")},
	} {
		o.refused(1, []string{"is managed by another tool than sx or Helm", c.hint}, c.args...)
	}
}

// restoredStopped restores a backup, which is refused until the services are stopped.
func (o *operator) restoredStopped() {
	o.t.Helper()
	backup := filepath.Join(o.home, "sx.tar")
	o.must(os.WriteFile(backup, []byte(o.sx(o.at("backup", "create", "--plaintext", "-o", "-")...)), 0o600))
	o.refused(1, []string{"is managed by", "scale deployment --replicas=0"}, o.at("backup", "restore", backup)...)
	o.kubectl("", "scale", "deployment", "--replicas=0", "-l", "app.kubernetes.io/instance=soundextract")
	// The rest is as without another tool.
	o.refused(1, []string{"is not empty"}, o.at("backup", "restore", backup)...)
}

// rendering renders the chart as Argo CD does, which ignores Helm's tests.
func (o *operator) rendering() string {
	o.t.Helper()
	version, err := cluster.Client.Discovery().ServerVersion()
	o.must(err)
	args := []string{"template", "soundextract", chartDir, "--skip-tests", "--kube-version", version.GitVersion, "--set", "global.secrets.create=false"}
	args = append(args, o.chartValues()...)
	return o.helm(envHelm3, args...)
}

// applied lists the objects of the rendering with what a change of each increases, and a
// change of its status does not.
func (o *operator) applied() []string {
	o.t.Helper()
	list := decode[struct {
		Items []struct {
			Kind     string            `json:"kind"`
			Metadata metav1.ObjectMeta `json:"metadata"`
		} `json:"items"`
	}](o, o.kubectl(o.rendering(), "get", "-f", "-", "-o", "json"))
	var all []string
	for _, i := range list.Items {
		version := strconv.FormatInt(i.Metadata.Generation, 10)
		if i.Metadata.Generation == 0 {
			version = i.Metadata.ResourceVersion
		}
		all = append(all, fmt.Sprintf("%s/%s %s", i.Kind, i.Metadata.Name, version))
	}
	if len(all) < 10 {
		o.t.Fatalf("the rendering has only the objects %v", all)
	}
	return all
}

func (o *operator) kubectl(stdin string, args ...string) string {
	o.t.Helper()
	return o.program(stdin, "kubectl", o.at(args...)...)
}

// starts lists the pods with the number of times that their containers have started again.
func (o *operator) starts() []string {
	o.t.Helper()
	list, err := cluster.Client.CoreV1().Pods(o.namespace).List(o.ctx, metav1.ListOptions{})
	o.must(err)
	var all []string
	for _, p := range list.Items {
		restarts := int32(0)
		for _, s := range p.Status.ContainerStatuses {
			restarts += s.RestartCount
		}
		all = append(all, fmt.Sprintf("%s %d", p.Name, restarts))
	}
	return all
}
