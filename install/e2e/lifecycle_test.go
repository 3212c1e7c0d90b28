//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/install/check"
)

// TestLifecycle covers an installation from sx install to its removal, first with TLS
// between all parts, then, with the same data, without.
func TestLifecycle(t *testing.T) {
	o := newOperator(within(t, 20*time.Minute), t, "e2e-life")
	secure, issuer := o.secured()
	start := time.Now()
	o.sx(o.install(append(secure, "--preset", "quickstart")...)...)
	o.register("ada")
	talk := o.makeVideo("talk.mkv", 5, 440)
	o.sx("convert", talk, "-o", filepath.Join(o.home, "talk.mp3"))
	t.Logf("from sx install to the first MP3: %.1f s", time.Since(start).Seconds())
	o.sx(o.at("status", "--wait")...)

	kept := o.interruptedUpload()
	want := o.download(kept)

	o.upgraded()
	o.rolledBack()
	o.healthy()
	o.onlyTLS()
	o.helmTest(envHelm3)
	o.doctorFindsFaults()
	o.bundleHasNoSecret()
	o.secretsRotated()
	o.unchanged()
	if got := o.download(kept); got != want {
		t.Errorf("after the secrets were rotated the MP3 has the digest %s, before %s", got, want)
	}
	o.certificatesReplaced(issuer)
	o.sx("convert", talk, "--force", "-o", filepath.Join(o.home, "talk.mp3"))

	o.sx(o.at("uninstall", "--yes")...)
	o.onlyLeft("the data", "PersistentVolumeClaim", "Secret")
	if kept := o.sx(o.at("values")...); !strings.Contains(kept, "global.tls.enabled") {
		o.t.Errorf("after the uninstall sx values printed\n%s", kept)
	}
	o.sx(o.install("--reset-values")...)
	if got := o.download(kept); got != want {
		t.Errorf("after uninstall and install the MP3 has the digest %s, before %s", got, want)
	}
	o.convertsAgain()

	o.refused(64, []string{"--wipe-data"}, o.at("uninstall", "--wipe-data", "--yes")...)
	o.sx(o.at("uninstall", "--wipe-data", "--confirm", "soundextract")...)
	// sx did not create the namespace and the certificates, so it keeps them.
	for _, part := range tlsParts() {
		if err := cluster.Client.CoreV1().Secrets(o.namespace).Delete(o.ctx, "soundextract-"+part+"-tls", metav1.DeleteOptions{}); err != nil {
			t.Errorf("the certificate of %s: %v", part, err)
		}
	}
	if left := o.objects(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// interruptedUpload uploads a video, kills sx with SIGKILL midway, resumes the
// upload and returns its job.
func (o *operator) interruptedUpload() string {
	o.t.Helper()
	video := o.makeVideo("lecture.mkv", 180, 550) // about 32 MB
	info, err := os.Stat(video)
	if err != nil {
		o.t.Fatal(err)
	}
	cut := o.command("upload", video)
	if err := cut.Start(); err != nil {
		o.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cut.Wait() }()
	stored := 0.0
	o.eventually(o.ctx, "a part of the video is stored", func(context.Context) bool {
		// sx runs in short steps, because a fast machine would complete the
		// upload before the next check.
		o.signal(cut, syscall.SIGCONT)
		select {
		case err := <-ended:
			o.t.Fatalf("the upload ended before it could be interrupted: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		o.signal(cut, syscall.SIGSTOP)
		for _, j := range o.jobs() {
			if j.Name == "lecture.mkv" && j.Progress > 5 {
				stored = j.Progress
				return true
			}
		}
		return false
	})
	o.signal(cut, syscall.SIGKILL)
	<-ended //nolint:errcheck // killed by the test
	r := o.try("upload", video, "--json")
	if r.code != 0 {
		o.t.Fatalf("the upload did not resume: %s", r.all())
	}
	o.t.Logf("interrupted at %.0f %% of %d bytes, resumed in %.1f s", stored, info.Size(), r.took.Seconds())
	id := lines[job](o, r.stdout)[0].ID
	if all := o.jobs(); len(all) != 2 {
		o.t.Errorf("%d jobs after the interrupted upload, want 2: the upload was not resumed", len(all))
	}
	o.sx("watch", id)
	return id
}

func (o *operator) signal(cmd *exec.Cmd, s syscall.Signal) {
	o.t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		o.t.Fatalf("send %v: %v", s, err)
	}
}

type listed struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	State    string  `json:"state"`
	Progress float64 `json:"progress"`
}

func (o *operator) jobs() []listed {
	o.t.Helper()
	return decode[[]listed](o, o.sx("jobs", "--json", "--limit", "100"))
}

// upgraded changes one value and checks that earlier values are kept, that MongoDB and
// RabbitMQ do not restart, and that sx diff shows what is different in the cluster.
func (o *operator) upgraded() {
	o.t.Helper()
	o.unchanged()
	change := []string{"--set", "gateway.replicas=2"}
	diff := o.sx(append(o.at("diff"), change...)...)
	if !strings.Contains(diff, "soundextract-gateway") || !strings.Contains(diff, "+  replicas: 2") {
		o.t.Errorf("sx diff printed\n%s", diff)
	}
	stateful := o.statefulPods()
	o.sx(o.install(change...)...)
	o.replicas("soundextract-gateway", 2)
	o.scale("soundextract-gateway", 3)
	if r := o.try(o.at("diff")...); !strings.Contains(r.stdout, "# drift: Deployment/soundextract-gateway") || !strings.Contains(r.stdout, "-  replicas: 3\n+  replicas: 2") {
		o.t.Errorf("after a change by hand sx diff printed\n%s", r.all())
	}
	o.sx(o.install("--set", "converter.logLevel=debug")...)
	o.replicas("soundextract-gateway", 2) // kept
	o.unchanged()
	if now := o.statefulPods(); !maps.Equal(stateful, now) {
		o.t.Errorf("the pods of MongoDB and RabbitMQ were %v and are %v", stateful, now)
	}
	o.failedAttempt()
}

// unchanged checks that an install would change nothing.
func (o *operator) unchanged() {
	o.t.Helper()
	if r := o.try(o.at("diff")...); r.stdout != "" || !strings.Contains(r.stderr, "no changes") {
		o.t.Errorf("sx diff printed\n%s", r.all())
	}
}

// statefulPods returns the UIDs of the pods of MongoDB and RabbitMQ by their names.
func (o *operator) statefulPods() map[string]types.UID {
	o.t.Helper()
	pods, err := cluster.Client.CoreV1().Pods(o.namespace).List(o.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component in (mongodb, rabbitmq)"})
	if err != nil || len(pods.Items) < 2 {
		o.t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	all := map[string]types.UID{}
	for _, p := range pods.Items {
		all[p.Name] = p.UID
	}
	return all
}

// failedAttempt installs an image of MongoDB that does not exist: the release is rolled
// back, although the pod without an image blocks the rollout, and the value is not kept.
func (o *operator) failedAttempt() {
	o.t.Helper()
	o.refused(1, []string{"no-such-tag", "rolled back to revision"}, o.install("--set", "mongodb.image.tag=no-such-tag", "--rollback-on-failure")...)
	if set := o.sx(o.at("values")...); strings.Contains(set, "no-such-tag") || !strings.Contains(set, "gateway.replicas") {
		o.t.Errorf("sx values printed\n%s", set)
	}
	o.unchanged()
}

func (o *operator) rolledBack() {
	o.t.Helper()
	if out := o.sx(o.at("history")...); strings.Count(out, "\n") < 3 {
		o.t.Errorf("sx history printed\n%s", out)
	}
	o.sx(o.at("rollback", "1")...)
	o.replicas("soundextract-gateway", 1)
}

func (o *operator) replicas(name string, want int32) {
	o.t.Helper()
	d, err := cluster.Client.AppsV1().Deployments(o.namespace).Get(o.ctx, name, metav1.GetOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	if *d.Spec.Replicas != want || d.Status.ReadyReplicas != want {
		o.t.Errorf("%s has %d of %d replicas, want %d", name, d.Status.ReadyReplicas, *d.Spec.Replicas, want)
	}
}

// healthy checks the installation with doctor and images. How full the volumes are says
// nothing: in a cluster for tests, they may be directories of a machine that is nearly full.
func (o *operator) healthy() {
	o.t.Helper()
	r := o.try(o.at("doctor", "--json")...)
	for _, c := range lines[check.Result](o, r.stdout) {
		if found := c.Outcome == check.FoundWarning || c.Outcome == check.FoundFatal; found && c.ID != "volumes" {
			o.t.Errorf("%s: %s: %s", c.ID, c.Outcome, c.Message)
		}
	}
	if r.stderr != "" && r.code == 0 {
		o.t.Errorf("sx doctor printed\n%s", r.stderr)
	}
	if out := o.sx("images"); !strings.Contains(out, "/converter:") || !strings.Contains(out, "/rabbitmq:") {
		o.t.Errorf("sx images printed\n%s", out)
	}
}

// doctorFindsFaults checks that doctor reports missing gateways.
func (o *operator) doctorFindsFaults() {
	o.t.Helper()
	o.scale("soundextract-gateway", 0)
	o.refused(79, []string{"gateway"}, o.at("doctor")...)
	o.scale("soundextract-gateway", 1)
	o.sx(o.at("status", "--wait")...)
}

func (o *operator) scale(name string, replicas int32) {
	o.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := cluster.Client.AppsV1().Deployments(o.namespace).
		Patch(o.ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
}

// bundleHasNoSecret searches the support bundle for every secret value of the
// namespace.
func (o *operator) bundleHasNoSecret() {
	o.t.Helper()
	path := filepath.Join(o.home, "bundle.tar.gz")
	o.sx(o.at("support-bundle", "-o", path)...)
	files := unpack(o, path)
	if len(files) < 10 {
		o.t.Errorf("the bundle contains only %d files", len(files))
	}
	secrets, err := cluster.Client.CoreV1().Secrets(o.namespace).List(o.ctx, metav1.ListOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, s := range secrets.Items {
		for key, value := range s.Data {
			if len(value) < 8 || strings.HasSuffix(key, "username") || key == "name" {
				continue
			}
			for name, text := range files {
				if bytes.Contains(text, value) || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(value))) {
					o.t.Errorf("%s in the bundle contains %s of the Secret %s", name, key, s.Name)
				}
			}
		}
	}
}

func unpack(o *operator, path string) map[string][]byte {
	o.t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		o.t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		o.t.Fatal(err)
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			o.t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			o.t.Fatal(err)
		}
	}
}

// secretsRotated rotates every secret; ada must stay signed in and be able to
// sign in.
func (o *operator) secretsRotated() {
	o.t.Helper()
	before := o.secretData("soundextract-mongodb", "password")
	o.sx(o.at("secrets", "rotate", "all", "--yes")...)
	if bytes.Equal(before, o.secretData("soundextract-mongodb", "password")) {
		o.t.Error("MongoDB's password did not change")
	}
	// The services were just replaced. The sign-in is not retried, so it shows
	// whether a pod stopped before its endpoint was removed.
	if r := o.runWithInput(password, "login", "ada", "--password-stdin"); r.code != 0 {
		o.t.Fatalf("login exited with %d:\n%s", r.code, r.all())
	}
	o.sx("whoami")
	o.sx("jobs")
}

func (o *operator) secretData(name, key string) []byte {
	o.t.Helper()
	s, err := cluster.Client.CoreV1().Secrets(o.namespace).Get(o.ctx, name, metav1.GetOptions{})
	if err != nil {
		o.t.Fatal(err)
	}
	return s.Data[key]
}

// convertsAgain converts the first video once more.
func (o *operator) convertsAgain() {
	o.t.Helper()
	again := o.makeVideo("again.mkv", 5, 440)
	o.sx("convert", again, "-o", filepath.Join(o.home, "again.mp3"))
	first, err := os.ReadFile(filepath.Join(o.home, "talk.mp3"))
	if err != nil {
		o.t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(o.home, "again.mp3"))
	if err != nil {
		o.t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		o.t.Error("the MP3 of the same video differs from that of the first installation")
	}
}

// nothingLeft checks that the namespace was deleted with everything in it.
func (o *operator) nothingLeft() {
	o.t.Helper()
	_, err := cluster.Client.CoreV1().Namespaces().Get(o.ctx, o.namespace, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		o.t.Errorf("the namespace still exists (%v) and contains %v", err, o.objects())
	}
}
