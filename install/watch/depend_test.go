package watch_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/watch"
)

// part is a Deployment of a component, whose only pod has the given status.
func part(component string, status corev1.ContainerStatus) []runtime.Object {
	name := release + "-" + component
	objects := deployment(name, 1)
	p := pod(name+"-1", status)
	p.Status.ContainerStatuses[0].Name = component
	for _, o := range append(objects, runtime.Object(p)) {
		o.(metav1.Object).SetLabels(map[string]string{"app.kubernetes.io/instance": release, "app.kubernetes.io/component": component})
	}
	return append(objects, p)
}

// unready is a part whose pod runs, but has not been ready for two minutes.
func unready(component string) []runtime.Object {
	objects := starts(component)
	p := objects[len(objects)-2].(*corev1.Pod)
	p.Status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(time.Now().Add(-2 * time.Minute))
	return objects
}

// starts is a part whose pod has just started and is not ready yet.
func starts(component string) []runtime.Object {
	e := event("Pod", release+"-"+component+"-1-x", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", 3)
	e.InvolvedObject.FieldPath = "spec.containers{" + component + "}"
	return append(part(component, running()), e)
}

// works is a part that is ready, since a minute ago.
func works(component string) []runtime.Object {
	objects := part(component, running())
	objects[0] = available(objects[0].(*appsv1.Deployment))
	p := objects[len(objects)-1].(*corev1.Pod)
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
		Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Minute)),
	})
	return objects
}

func summary(rows []watch.Row) string {
	var parts []string
	for _, r := range rows {
		text := r.Component + " " + string(r.State)
		if r.Because != "" {
			text += " for " + r.Because
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// TestConsequences checks that the parts are in the order in which they depend on each
// other, that the cause is the first problem, and that what merely follows from it is
// marked; a problem of its own is not.
func TestConsequences(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		objects  [][]runtime.Object
		reported map[string]string
		rows     string
		first    string // the object of the first problem; "" means that there is none
		follows  int    // the number of problems that are consequences
	}{
		{
			name:    "the database crashes",
			objects: [][]runtime.Object{unready("converter"), unready("gateway"), unready("auth"), works("rabbitmq"), part("mongodb", crashed(5, "Error", 1))},
			rows:    "mongodb failed, rabbitmq ready, auth waiting for soundextract-mongodb, gateway waiting for soundextract-mongodb, converter waiting for soundextract-mongodb",
			first:   "Deployment/soundextract-mongodb", follows: 3,
		},
		{
			name:    "two causes",
			objects: [][]runtime.Object{part("gateway", crashed(5, "Error", 1)), part("mongodb", crashed(5, "Error", 1)), unready("converter")},
			rows:    "mongodb failed, gateway failed, converter waiting for soundextract-mongodb",
			first:   "Deployment/soundextract-mongodb", follows: 1,
		},
		{
			name:    "everything starts",
			objects: [][]runtime.Object{starts("mongodb"), starts("rabbitmq"), unready("auth")},
			rows:    "mongodb starting, rabbitmq starting, auth starting for soundextract-mongodb",
		},
		{
			name:    "a part that has just started waits for the database",
			objects: [][]runtime.Object{starts("auth"), part("mongodb", crashed(5, "Error", 1))},
			rows:    "mongodb failed, auth waiting for soundextract-mongodb",
			first:   "Deployment/soundextract-mongodb",
		},
		{
			name:    "a part does not become ready",
			objects: [][]runtime.Object{works("mongodb"), unready("auth")},
			rows:    "mongodb ready, auth starting",
			first:   "Deployment/soundextract-auth",
		},
		{
			name:    "a database that hangs looks ready",
			objects: [][]runtime.Object{works("mongodb"), works("auth"), unready("gateway")}, reported: map[string]string{"mongodb": "no response"},
			rows:  "mongodb failing, auth ready, gateway waiting for soundextract-mongodb",
			first: "Deployment/soundextract-mongodb", follows: 1,
		},
		{
			name:    "auth does not respond because the database starts",
			objects: [][]runtime.Object{starts("mongodb"), works("auth"), works("gateway")}, reported: map[string]string{"auth": "timeout"},
			rows: "mongodb starting, auth ready, gateway ready",
		},
		{
			name:    "auth does not respond because the database hangs",
			objects: [][]runtime.Object{works("mongodb"), works("auth"), works("gateway")}, reported: map[string]string{"auth": "timeout", "mongodb": "timeout"},
			rows:  "mongodb failing, auth ready, gateway ready",
			first: "Deployment/soundextract-mongodb",
		},
		{
			name:    "auth hangs",
			objects: [][]runtime.Object{works("mongodb"), works("auth"), works("gateway")}, reported: map[string]string{"auth": "timeout"},
			rows:  "mongodb ready, auth failing, gateway ready",
			first: "Deployment/soundextract-auth",
		},
		{
			name:    "an external database",
			objects: [][]runtime.Object{works("auth"), unready("gateway")}, reported: map[string]string{"mongodb": "no response"},
			rows:  "auth ready, gateway waiting for external mongodb",
			first: "external mongodb", follows: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := cluster(slices.Concat(tt.objects...)...)
			rows, problems, err := watch.Status(t.Context(), c, release, tt.reported)
			if err != nil || summary(rows) != tt.rows {
				t.Errorf("got %v: %s\nwant %s", err, summary(rows), tt.rows)
			}
			follows := 0
			for _, p := range problems {
				if p.ConsequenceOf != "" {
					follows++
				}
			}
			first := watch.Problem{Next: "nothing"}
			if len(problems) > 0 {
				first = problems[0]
			}
			if first.Object != tt.first || follows != tt.follows || first.Next == "" {
				t.Errorf("the problems are %+v", problems)
			}
		})
	}
}

// TestJustReady checks that the parts which need another one have time to connect to it.
func TestJustReady(t *testing.T) {
	t.Parallel()
	objects := works("mongodb")
	p := objects[len(objects)-1].(*corev1.Pod)
	p.Status.Conditions[len(p.Status.Conditions)-1].LastTransitionTime = metav1.Now()
	c, _ := cluster(objects...)
	rows, problems, err := watch.Status(t.Context(), c, release, map[string]string{"mongodb": "waiting for MongoDB"})
	if err != nil || len(problems) > 0 || rows[0].State != watch.StateReady {
		t.Errorf("got %+v, %+v, %v", rows, problems, err)
	}
}

// TestStopped checks that a workload without pods is not ready.
func TestStopped(t *testing.T) {
	t.Parallel()
	none := int32(0)
	objects := works("converter")
	d := objects[0].(*appsv1.Deployment)
	d.Spec.Replicas, d.Status = &none, appsv1.DeploymentStatus{ObservedGeneration: 1}
	c, _ := cluster(objects[:2]...)
	rows, problems, err := watch.Status(t.Context(), c, release, map[string]string{"converter": "3 jobs are waiting"})
	if err != nil || rows[0].State != watch.StateStopped || rows[0].Desired != 0 {
		t.Fatalf("got %+v, %v", rows, err)
	}
	const next = "kubectl --context lab -n music scale deployment soundextract-converter --replicas 1"
	if len(problems) != 1 || problems[0].Reason != watch.ReasonStopped || problems[0].Message != "scaled to 0: 3 jobs are waiting" || problems[0].Next != next {
		t.Errorf("got %+v", problems)
	}
	if err := watch.Wait(t.Context(), c, release, []string{"soundextract-converter"}, nil); err != nil {
		t.Errorf("a wait for what may be stopped: %v", err)
	}
}

// TestMountedLater checks that an attempt to mount a volume that failed is not reported
// once a later one has succeeded, nor before several have failed.
func TestMountedLater(t *testing.T) {
	t.Parallel()
	failed := func(t *testing.T, mounted bool) watch.State {
		t.Helper()
		p := pod(name+"-1", waiting("PodInitializing", ""))
		if mounted {
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue})
		}
		e := event("Pod", p.Name, "FailedMount", `MountVolume.SetUp failed for volume "v" : failed to sync secret cache: timed out waiting for the condition`, 1)
		c, _ := cluster(append(deployment(name, 1), p, e)...)
		if mounted {
			<-time.After(time.Minute) // of the bubble's clock
		}
		rows, _, err := watch.Status(t.Context(), c, release, nil)
		if err != nil || len(rows) != 1 {
			t.Fatalf("got %+v, %v", rows, err)
		}
		return rows[0].State
	}
	for _, mounted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			if got := failed(t, mounted); got != watch.StateStarting {
				t.Errorf("mounted %v: got %s", mounted, got)
			}
		})
	}
}

// TestCauseInLog checks that the first line of a crash names what the log says.
func TestCauseInLog(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]string{
		"started\nerror: invalid setting keys: no key\nhint: create one\n":                           "CrashLoop: invalid setting keys: no key (exited with code 3",
		`{"level":"INFO","msg":"a"}` + "\n" + `{"level":"ERROR","msg":"stopped","error":"no route"}`: "CrashLoop: stopped: no route (exited with code 3",
		`{"t":{"$date":"x"},"s":"F","c":"-","msg":"Fatal assertion","attr":{"error":"Unsupported"}}`: "CrashLoop: Fatal assertion: Unsupported (exited with code 3",
		"first\nwrite: No space left on device\n":                                                    "VolumeFull: no space is left on its volume: exited with code 3",
		"error: \x1b[2Jwiped\n": "CrashLoop: [2Jwiped (exited with code 3",
		"nothing to see\n":      "CrashLoop: exited with code 3",
	} {
		c := served(t, part("mongodb", crashed(5, "Error", 3)), log)
		_, problems, err := watch.Status(t.Context(), c, release, nil)
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%q: got %+v, %v, want %q", log, problems, err, want)
		}
		if text := fmt.Sprint(problems); strings.Contains(text, "\x1b") {
			t.Errorf("%q is not cleaned: %q", log, text)
		}
	}
}

// served is a cluster with the objects, whose containers all have the given log.
func served(t *testing.T, objects []runtime.Object, log string) *kube.Cluster {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/log") {
			_, _ = io.WriteString(w, log)
			return
		}
		items := []any{}
		for _, o := range objects {
			kind := map[string]string{"*v1.Deployment": "/deployments", "*v1.ReplicaSet": "/replicasets", "*v1.Pod": "/pods"}[fmt.Sprintf("%T", o)]
			if strings.HasSuffix(r.URL.Path, kind) {
				items = append(items, o)
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
	}))
	t.Cleanup(server.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	return &kube.Cluster{Target: kube.Target{Context: "lab", Namespace: namespace}, Client: client}
}
