//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestBackup restores a backup into another namespace and into a local server. Both serve
// the same MP3s, and an upload that was half finished when the backup was created continues
// there.
func TestBackup(t *testing.T) {
	t.Parallel()
	o := newOperator(within(t, 10*time.Minute), t, "e2e-backup")
	key, err := age.GenerateX25519Identity()
	o.must(err)
	o.sx(o.install("--set", "backup.enabled=true,backup.volume.size=1Gi,backup.recipients={"+key.Recipient().String()+"}")...)
	o.register("ada")
	for i, tone := range []int{440, 550} {
		name := fmt.Sprintf("talk%d.mkv", i)
		o.sx("convert", o.makeVideo(name, 5, tone), "-o", filepath.Join(o.home, name+".mp3"))
	}
	video, err := os.ReadFile(o.makeVideo("half.mkv", 20, 660))
	o.must(err)
	original := o.apiClient()
	half, err := original.uploadHalf(video)
	o.must(err)

	keyFile, backup := filepath.Join(o.home, "key.txt"), filepath.Join(o.home, "sx.age")
	o.must(os.WriteFile(keyFile, []byte(key.String()+"\n"), 0o600))
	o.sx(o.at("backup", "create", "-r", key.Recipient().String(), "-o", backup)...)
	o.sx("backup", "verify", "-i", keyFile, backup)
	o.scheduledBackup(keyFile)
	o.must(original.uploadRest(half, video))
	want := o.allDigests()
	if len(want) != 3 {
		t.Fatalf("the original has the MP3s %v", want)
	}

	// The longest names that are possible; RabbitMQ's nodes have both in theirs.
	restored := newOperator(o.ctx, t, "e2e-restored-"+strings.Repeat("n", 45))
	restored.home, restored.release = o.home, strings.Repeat("r", 43)
	values := filepath.Join(o.home, "values.yaml")
	o.must(os.WriteFile(values, []byte(o.sx("backup", "settings", "-i", keyFile, backup)), 0o600))
	restored.sx(restored.at("install", "-f", values)...)
	// As in a rehearsal, which sends nothing.
	restored.program("", "kubectl", "-n", restored.namespace, "scale", "deployment", restored.release+"-notifier", "--replicas=0")
	restored.sx(restored.at("backup", "restore", "-i", keyFile, backup)...)
	restored.replicas(restored.release+"-notifier", 0)
	restored.replicas(restored.release+"-gateway", 1)
	restored.continues("the other namespace", restored.apiClient(), half, video, want)

	data := filepath.Join(o.home, "restored")
	o.sx("backup", "restore", "-i", keyFile, "--data", data, backup)
	local := decode[struct {
		URL string `json:"url"`
	}](o, o.sx("up", "--detach", "--addr", "127.0.0.1:0", "--data", data, "--json"))
	defer o.sx("down", "--data", data)
	delete(want, half) // another version of ffmpeg may convert it here
	o.continues("the local server", &rawClient{o: o, url: local.URL}, half, video, want)
}

// scheduledBackup starts the CronJob for backups at once, and verifies the file that it
// writes into its volume.
func (o *operator) scheduledBackup(keyFile string) {
	o.t.Helper()
	o.kubectl("", "create", "job", "--from=cronjob/soundextract-backup", "first")
	o.eventually(o.ctx, "the Job of the backup has completed", func(ctx context.Context) bool {
		job, err := cluster.Client.BatchV1().Jobs(o.namespace).Get(ctx, "first", metav1.GetOptions{})
		if err == nil && job.Status.Failed > 0 {
			o.t.Fatalf("the Job of the backup failed:\n%s", o.kubectl("", "logs", "job/first"))
		}
		return err == nil && job.Status.Succeeded > 0
	})
	if r := o.try(o.at("doctor", "--json")...); !strings.Contains(r.stdout, "the last backup is from "+time.Now().UTC().Format(time.DateOnly)) {
		o.t.Errorf("sx doctor does not know the backup:\n%s", r.all())
	}
	// The image of converters has a shell.
	o.kubectl(fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: reader
      image: %s
      command: [sleep, infinity]
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: backups, mountPath: /backups, readOnly: true}]
  volumes: [{name: backups, persistentVolumeClaim: {claimName: soundextract-backup}}]
`, o.image("converter")), "apply", "-f", "-")
	o.kubectl("", "wait", "--for=condition=Ready", "pod/reader", "--timeout=2m")
	read := func(args ...string) string {
		return o.program("", "kubectl", append([]string{"-n", o.namespace, "exec", "reader", "--"}, args...)...)
	}
	files := strings.Fields(read("ls", "/backups"))
	if len(files) != 1 {
		o.t.Fatalf("the volume of backups contains %q", files)
	}
	file := filepath.Join(o.home, files[0])
	o.must(os.WriteFile(file, []byte(read("cat", "/backups/"+files[0])), 0o600))
	o.sx("backup", "verify", "-i", keyFile, file)
	o.kubectl("", "delete", "pod", "reader", "--now")
}

// apiClient returns a client of the installation, through a port-forward, that is signed in.
func (o *operator) apiClient() *rawClient {
	o.t.Helper()
	address, stop := o.forward("gateway", 8740)
	o.t.Cleanup(stop)
	c := &rawClient{o: o, url: "http://" + address}
	var err error
	c.token, err = c.signIn("ada")
	o.must(err)
	return c
}

// continues signs in to the restored server, completes the upload, and compares the MP3s with
// those of the original by job.
func (o *operator) continues(where string, c *rawClient, half string, video []byte, want map[string]string) {
	o.t.Helper()
	if r := o.runWithInput(password, "login", "ada", "--password-stdin"); r.code != 0 {
		o.t.Fatalf("login to %s exited with %d:\n%s", where, r.code, r.all())
	}
	var err error
	if c.token == "" {
		c.token, err = c.signIn("ada")
		o.must(err)
	}
	o.must(c.uploadRest(half, video))
	got := o.allDigests()
	if got[half] == "" || len(got) != 3 {
		o.t.Errorf("%s has the MP3s %v", where, got)
	}
	for id, digest := range want {
		if got[id] != digest {
			o.t.Errorf("in %s the MP3 of %s has the digest %s, want %s", where, id, got[id], digest)
		}
	}
}

// allDigests waits for all jobs and downloads their MP3s; it returns the digests by job.
func (o *operator) allDigests() map[string]string {
	o.t.Helper()
	all := map[string]string{}
	for _, j := range o.jobs() {
		o.sx("watch", j.ID)
		all[j.ID] = o.download(j.ID)
	}
	return all
}

// uploadHalf starts an upload with the first half of a video, and returns its ID.
func (c *rawClient) uploadHalf(video []byte) (string, error) {
	h, _, err := c.send(http.MethodPost, "/v1/uploads/", c.token, video[:len(video)/2], map[string]string{
		"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Length": strconv.Itoa(len(video)),
		"Upload-Metadata": "filename " + base64.StdEncoding.EncodeToString([]byte("half.mkv")),
	})
	return path.Base(h.Get("Location")), err
}

// uploadRest completes the upload, of which the server has the first half.
func (c *rawClient) uploadRest(id string, video []byte) error {
	header := map[string]string{"Tus-Resumable": "1.0.0"}
	h, _, err := c.send(http.MethodHead, "/v1/uploads/"+id, c.token, nil, header)
	if err != nil {
		return err
	}
	if got := h.Get("Upload-Offset"); got != strconv.Itoa(len(video)/2) {
		return fmt.Errorf("the server has %s bytes of the upload, not %d", got, len(video)/2)
	}
	header["Content-Type"], header["Upload-Offset"] = "application/offset+octet-stream", h.Get("Upload-Offset")
	_, _, err = c.send(http.MethodPatch, "/v1/uploads/"+id, c.token, video[len(video)/2:], header)
	return err
}
