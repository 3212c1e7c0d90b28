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
)

// TestLifecycle covers an installation from sx install to its removal.
func TestLifecycle(t *testing.T) {
	o := newOperator(within(t, 20*time.Minute), t, "e2e-life")
	start := time.Now()
	o.sx(o.install("--preset", "quickstart")...)
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
	o.helmTest()
	o.doctorFindsFaults()
	o.bundleHasNoSecret()
	o.secretsRotated()
	if got := o.download(kept); got != want {
		t.Errorf("after the secrets were rotated the MP3 has the digest %s, before %s", got, want)
	}

	o.sx(o.at("uninstall", "--yes")...)
	o.onlyLeft("the data", "PersistentVolumeClaim", "Secret")
	o.sx(o.install()...)
	if got := o.download(kept); got != want {
		t.Errorf("after uninstall and install the MP3 has the digest %s, before %s", got, want)
	}
	o.convertsAgain()

	o.refused(64, []string{"--wipe-data"}, o.at("uninstall", "--wipe-data", "--yes")...)
	o.sx(o.at("uninstall", "--wipe-data", "--confirm", "soundextract")...)
	o.nothingLeft()
	o.sx(o.install()...) // again
	o.register("ada")
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

// upgraded changes one value and checks that earlier values are kept.
func (o *operator) upgraded() {
	o.t.Helper()
	change := []string{"--set", "gateway.replicas=2"}
	diff := o.sx(append(o.at("diff"), change...)...)
	if !strings.Contains(diff, "soundextract-gateway") || !strings.Contains(diff, "+  replicas: 2") {
		o.t.Errorf("sx diff printed\n%s", diff)
	}
	o.sx(o.install(change...)...)
	o.replicas("soundextract-gateway", 2)
	o.sx(o.install("--set", "converter.logLevel=debug")...)
	o.replicas("soundextract-gateway", 2) // kept
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

// healthy checks the installation with doctor and images.
func (o *operator) healthy() {
	o.t.Helper()
	if r := o.try(o.at("doctor")...); r.code != 0 {
		o.t.Errorf("sx doctor exited with %d:\n%s", r.code, r.all())
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
			if len(value) < 8 || key == "username" || key == "name" {
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
