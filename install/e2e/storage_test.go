//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// retained creates a job that is done and one that failed; each says when it will be
// deleted.
func (o *operator) retained() (done, failed string) {
	o.t.Helper()
	o.sx("convert", o.makeVideo("done.mkv", 5, 440), "-o", filepath.Join(o.home, "done.mp3"))
	silent := filepath.Join(o.t.TempDir(), "silent.mkv")
	o.ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x64:rate=2:duration=5", "-c:v", "mpeg4", silent)
	failed = lines[job](o, o.sx("upload", "--json", "--whole-file", silent))[0].ID
	if r := o.try("watch", failed); r.code == 0 {
		o.t.Fatal("the conversion of a video without audio succeeded")
	}
	for _, j := range o.jobs() {
		if j.Name == "done.mkv" {
			done = j.ID
		}
	}
	if j := o.stored(done); j.DeleteVideoAt == nil || time.Until(*j.DeleteVideoAt) > time.Minute || j.DeleteAt != nil {
		o.t.Errorf("the video of a job that is done is deleted at %v, the job at %v", j.DeleteVideoAt, j.DeleteAt)
	}
	if j := o.stored(failed); j.DeleteAt == nil || time.Until(*j.DeleteAt) > time.Minute {
		o.t.Errorf("a failed job is deleted at %v", j.DeleteAt)
	}
	for id, want := range map[string]string{done: "video", failed: "kept"} {
		if shown := o.sx("show", id); !strings.Contains(shown, want) || !strings.Contains(shown, "until "+strconv.Itoa(time.Now().Year())) {
			o.t.Errorf("sx show does not print the time of deletion:\n%s", shown)
		}
	}
	return done, failed
}

func (o *operator) stored(id string) api.Job {
	o.t.Helper()
	return decode[api.Job](o, o.sx("show", id, "--json"))
}

// deleted waits until the retention of retained's jobs is over.
func (o *operator) deleted(done, failed string) {
	o.t.Helper()
	o.eventually(o.ctx, "the failed job is deleted", func(context.Context) bool { return o.try("show", failed).code == sx.ExitBadInput })
	o.eventually(o.ctx, "the video is deleted", func(context.Context) bool { return o.stored(done).VideoDeleted })
	o.download(done)
	if r := o.try("show", done); !strings.Contains(r.stdout, "deleted") {
		o.t.Errorf("sx show does not say that the video is deleted:\n%s", r.stdout)
	}
}

// databaseHangs stops all processes of MongoDB: the gateways must stay ready, and
// respond to requests with an error that says to try again.
func (o *operator) databaseHangs() fault {
	var get func(o *operator, path string) (*http.Response, api.Error)
	return fault{
		name: "a MongoDB that hangs",
		inject: func(o *operator) {
			get = o.gatewayClient()
			if res, _ := get(o, api.PathJobs); res.StatusCode != http.StatusOK {
				o.t.Fatalf("before the fault: %s", res.Status)
			}
			o.signalPods("mongodb", "STOP")
		},
		cause: `StatefulSet/soundextract-mongodb, pod soundextract-mongodb-0, container mongodb: Unresponsive: the gateway cannot use it`,
		during: func(o *operator) {
			start := time.Now()
			for range 3 {
				res, problem := get(o, api.PathJobs)
				if res.StatusCode != http.StatusServiceUnavailable || problem.Code != sx.CodeUnavailable || res.Header.Get("Retry-After") == "" {
					o.t.Errorf("while MongoDB hangs: %s, Retry-After %q, %v", res.Status, res.Header.Get("Retry-After"), problem)
				}
			}
			// Long enough for a probe to fail as often as would make the pod unready.
			o.eventually(o.ctx, "30 s have passed", func(context.Context) bool { return time.Since(start) > 30*time.Second })
			for _, component := range sx.Services() {
				for _, p := range o.pods(component) {
					if !ready(p) {
						o.t.Errorf("%s is not ready while MongoDB hangs", p.Name)
					}
				}
			}
		},
		repair: func(o *operator) {
			o.eventually(o.ctx, "the gateway has recovered", func(context.Context) bool {
				res, _ := get(o, api.PathJobs)
				return res.StatusCode == http.StatusOK
			})
			o.sx("convert", o.makeVideo("recovered.mkv", 5, 550), "-o", filepath.Join(o.home, "recovered.mp3"))
		},
	}
}

// gatewayClient returns a function that gets a path from the gateway, without sx, which
// would try again.
func (o *operator) gatewayClient() func(o *operator, path string) (*http.Response, api.Error) {
	o.t.Helper()
	token := strings.TrimSpace(o.sx("token", "create", "e2e"))
	address, stop := o.forward("gateway", 8740)
	o.t.Cleanup(stop)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: o.tlsConfig("gateway")}}
	o.t.Cleanup(client.CloseIdleConnections)
	return func(o *operator, path string) (*http.Response, api.Error) {
		o.t.Helper()
		req, err := http.NewRequestWithContext(o.ctx, http.MethodGet, "https://"+address+path, nil)
		o.must(err)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		o.must(err)
		defer func() { _ = res.Body.Close() }()
		var body api.ErrorBody
		if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
			o.t.Fatalf("%s: %v", path, err)
		}
		return res, body.Error
	}
}

func ready(p corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// brokerIsFull makes RabbitMQ refuse messages, as it does when its disk is full: uploads
// must be accepted, and converted once it takes messages again.
func (o *operator) brokerIsFull() fault {
	limit := func(o *operator, bytes string) {
		_, err := o.exec("rabbitmq", "rabbitmqctl", "-q", "set_disk_free_limit", bytes)
		o.must(err)
	}
	var waiting string
	return fault{
		name:   "a full volume of RabbitMQ",
		inject: func(o *operator) { limit(o, "1000000000000000") }, // more than any disk has
		cause:  `release/soundextract: broker-alarms: RabbitMQ accepts no messages, so that new jobs wait`, shows: `(?i)free disk space alarm`,
		during: func(o *operator) {
			waiting = lines[job](o, o.sx("upload", "--json", o.makeVideo("waiting.mkv", 5, 660)))[0].ID
		},
		repair: func(o *operator) {
			limit(o, "200000000")
			o.sx("watch", waiting)
		},
	}
}

// small is the size of MongoDB's volume in volumeIsFull, in MiB. It is filled until left
// MiB are free: less than the reserve, and more than the store itself needs.
const small, left = 512, 280

// volumeIsFull gives MongoDB a small volume and fills it: uploads must be refused,
// while conversions and removal continue.
func (o *operator) volumeIsFull() fault {
	var lecture, running string
	return fault{
		name: "a full volume of MongoDB",
		inject: func(o *operator) {
			o.smallVolume()
			o.invitation()                                 // again
			lecture = o.makeVideo("lecture.mkv", 180, 550) // about 32 MB
			o.sx("upload", "--whole-file", o.makeVideo("first.mkv", 5, 440))
			running = lines[job](o, o.sx("upload", "--json", o.makeLong("running.mkv", 900)))[0].ID
			fill := fmt.Sprintf(`free=$(df --output=avail -m /data/db | tail -1); head -c $((free-%d))M /dev/zero >/data/db/filler`, left)
			_, err := o.exec("mongodb", "sh", "-c", fill)
			o.must(err)
		},
		cause: `release/soundextract: disk-space: new uploads are refused`, shows: `admin\s+[0-9]+`,
		during: func(o *operator) {
			o.refused(sx.ExitTryAgain, []string{"not enough space on the server", "in reserve"}, "upload", "--whole-file", lecture)
			o.sx("watch", running)
			o.download(running)
			o.sx("rm", running, "--yes")
			if r := o.try("show", running); r.code != sx.ExitBadInput {
				o.t.Errorf("the removed job is still there:\n%s", r.all())
			}
		},
		repair: func(o *operator) {
			_, err := o.exec("mongodb", "rm", "/data/db/filler")
			o.must(err)
			o.sx("convert", "--whole-file", lecture, "-o", filepath.Join(o.home, "lecture.mp3"))
		},
	}
}

// smallVolume makes MongoDB start from scratch with an empty small volume in memory, and
// restarts the services.
func (o *operator) smallVolume() {
	o.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"template":{"spec":{
		"volumes":[{"name":"small","emptyDir":{"medium":"Memory","sizeLimit":"%dMi"}}],
		"containers":[{"name":"mongodb","volumeMounts":[{"name":"small","mountPath":"/data/db"}]}]}}}}`, small)
	if _, err := cluster.Client.AppsV1().StatefulSets(o.namespace).
		Patch(o.ctx, "soundextract-mongodb", types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		o.t.Fatal(err)
	}
	o.sx(o.at("status", "--wait")...)
	restart := []byte(`{"spec":{"template":{"metadata":{"annotations":{"e2e":"restarted"}}}}}`)
	for _, service := range sx.Services() {
		if _, err := cluster.Client.AppsV1().Deployments(o.namespace).
			Patch(o.ctx, "soundextract-"+service, types.StrategicMergePatchType, restart, metav1.PatchOptions{}); err != nil {
			o.t.Fatal(err)
		}
	}
	o.sx(o.at("status", "--wait")...)
}
