package check_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"

	"github.com/soundextract/sx/charts"
	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/server/sx"
)

// deployment is the gateway's, with all its pods ready.
func deployment(replicas int32, version string) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: in("soundextract-gateway"), Spec: appsv1.DeploymentSpec{Replicas: &replicas}}
	d.Labels = map[string]string{"app.kubernetes.io/instance": "soundextract", "app.kubernetes.io/component": "gateway", "app.kubernetes.io/version": version}
	d.Status = appsv1.DeploymentStatus{Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas}
	return d
}

// stateful is the StatefulSet of a part.
func stateful(part, image string) *appsv1.StatefulSet {
	set := &appsv1.StatefulSet{ObjectMeta: in("soundextract-" + part)}
	set.Labels = map[string]string{"app.kubernetes.io/instance": "soundextract", "app.kubernetes.io/component": part}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: part, Image: image}}
	return set
}

func TestRunning(t *testing.T) {
	t.Parallel()
	none, half := deployment(0, "1.2.3"), deployment(2, "1.2.3")
	half.Status.AvailableReplicas, half.Status.ReadyReplicas = 1, 1
	for _, tt := range []struct {
		id      string
		objects []runtime.Object
		outcome check.Outcome
		message string
	}{
		{"workloads", nil, check.FoundFatal, "no workloads"},
		{"workloads", []runtime.Object{deployment(2, "1.2.3")}, check.OK, ""},
		{"workloads", []runtime.Object{half}, check.FoundFatal, "Deployment/soundextract-gateway has"},
		{"workloads", []runtime.Object{none}, check.FoundFatal, "Deployment/soundextract-gateway: ScaledToZero: scaled to 0"},
		{"image-pulls", []runtime.Object{half}, check.OK, ""},
		{"version-skew", []runtime.Object{deployment(1, "1.2.3")}, check.OK, ""},
		{"version-skew", []runtime.Object{deployment(1, "1.2.2")}, check.FoundWarning, "sx has version 1.2.3, but the release has version 1.2.2"},
		{"version-skew", nil, check.OutcomeSkipped, "not installed"},
		{"support", nil, check.OutcomeSkipped, "not part of the release"},
		{"support", []runtime.Object{stateful("rabbitmq", "r.example.org:5000/rabbitmq:4.3.5-management@sha256:0123")}, check.OK, ""},
		{"support", []runtime.Object{stateful("rabbitmq", "rabbitmq:special")}, check.OutcomeSkipped, "do not show the version of RabbitMQ"},
		{
			"support",
			[]runtime.Object{stateful("mongodb", "mongo:6.0.27"), stateful("rabbitmq", "rabbitmq:3.13.7")},
			check.FoundWarning,
			"support for MongoDB 6.0 ended on 2025-07-31; support for RabbitMQ 3.13 ended on 2024-09-17",
		},
		{"dependencies", nil, check.FoundFatal, "no pod of gateway is running"},
		{"sandbox", nil, check.OutcomeSkipped, "no pod of converter is running"},
		{"queues", nil, check.OutcomeSkipped, "RabbitMQ is not part of the release"},
		{"server", nil, check.OutcomeSkipped, "address of the server is not known"},
	} {
		e, _ := env(t, tt.objects...)
		r := run(t, e, check.Running(), tt.id)
		if r.Outcome != tt.outcome || !strings.Contains(r.Message, tt.message) {
			t.Errorf("%s: got %+v, want %s %q", tt.id, r, tt.outcome, tt.message)
		}
		if (r.Outcome == check.FoundFatal || r.Outcome == check.FoundWarning) && r.Hint == "" {
			t.Errorf("%s has no hint", tt.id)
		}
	}
}

// TestVersionsOfBuilds checks that a version label in the form of an image tag
// is recognized.
func TestVersionsOfBuilds(t *testing.T) {
	t.Parallel()
	const build = "v1.2.3-4-gabc+dirty"
	e, _ := env(t, deployment(1, chart.Tag(build)))
	e.Version = build
	if r := run(t, e, check.Running(), "version-skew"); r.Outcome != check.OK {
		t.Errorf("got %+v", r)
	}
}

// TestDependencies checks that the result includes the gateway's report, even
// if it is not ready.
func TestDependencies(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]check.Outcome{
		`{"status":"ok"}`:                                                 check.OK,
		`{"status":"the database is unavailable"}`:                        check.FoundFatal,
		`{"status":"ok","degraded":"store: the database is unavailable"}`: check.FoundFatal,
		`<html>`: check.FoundFatal,
	} {
		gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Errorf("asked for %s", r.URL.Path)
			}
			if want != check.OK && !strings.Contains(body, "degraded") {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(gateway.Close)
		stopped := false
		e, _ := env(t)
		e.PortForward = func(context.Context, string, int) (string, func(), error) {
			return gateway.Listener.Addr().String(), func() { stopped = true }, nil
		}
		r := run(t, e, check.Running(), "dependencies")
		if r.Outcome != want || !stopped || strings.Contains(body, "unavailable") && !strings.Contains(r.Message, "the database is unavailable") {
			t.Errorf("%s: got %+v, stopped: %v", body, r, stopped)
		}
	}
}

// TestSandbox checks what the check reports for a converter's metrics.
func TestSandbox(t *testing.T) {
	t.Parallel()
	const metrics = "# HELP x y\nsx_converter_running 3\nsx_converter_sandbox_landlock_abi %d\nsx_converter_sandbox_seccomp %d\nsx_converter_sandbox_user %d\n"
	for _, tt := range []struct {
		body    string
		outcome check.Outcome
		says    string // a part of the message, or of the description
	}{
		{fmt.Sprintf(metrics, 7, 1, 0), check.OK, "Landlock (ABI 7) and seccomp"},
		{fmt.Sprintf(metrics, 4, 1, 1), check.OK, "a user of its own"},
		{fmt.Sprintf(metrics, 0, 1, 0), check.OutcomeSkipped, "by seccomp, without Landlock"},
		{fmt.Sprintf(metrics, 0, 0, 0), check.OutcomeSkipped, "confined by resource limits only"},
		{"sx_converter_running 3\n", check.OutcomeSkipped, "still starting"},
	} {
		converter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/metrics" {
				t.Errorf("asked for %s", r.URL.Path)
			}
			_, _ = io.WriteString(w, tt.body)
		}))
		t.Cleanup(converter.Close)
		e, _ := env(t)
		e.PortForward = func(context.Context, string, int) (string, func(), error) {
			return converter.Listener.Addr().String(), func() {}, nil
		}
		if r := run(t, e, check.Running(), "sandbox"); r.Outcome != tt.outcome || !strings.Contains(r.Message+r.Description, tt.says) {
			t.Errorf("%s: got %+v", tt.body, r)
		}
	}
}

// TestStorage checks what the check reports for a gateway's metrics.
func TestStorage(t *testing.T) {
	t.Parallel()
	const metrics = "# HELP x y\nsx_uploads_total{result=\"removed\"} 3\nsx_storage_size_bytes 1e+11\nsx_storage_free_bytes %s\nsx_storage_reserve_bytes 1e+10\nsx_storage_full_seconds %s\n"
	for _, tt := range []struct {
		body    string
		outcome check.Outcome
		says    string // a part of the message, or of the description
	}{
		{fmt.Sprintf(metrics, "5e+10", "NaN"), check.OK, "there is room for uploads: 50 GB free"},
		{fmt.Sprintf(metrics, "5e+10", "+Inf"), check.OK, "50 GB free, not filling up"},
		{fmt.Sprintf(metrics, "5e+10", "1e+06"), check.OK, "50 GB free, full in 11 days"},
		{fmt.Sprintf(metrics, "2e+10", "200000"), check.FoundWarning, "new uploads will be refused in 2 days: 20 GB of 100 GB is free, and new uploads must leave 10 GB"},
		{fmt.Sprintf(metrics, "1e+10", "0"), check.FoundFatal, "new uploads are refused: 10 GB"},
		{"sx_storage_size_bytes 0\nsx_storage_full_seconds NaN\n", check.OutcomeSkipped, "does not say"},
	} {
		e := envWithGateway(t, tt.body)
		if r := run(t, e, check.Running(), check.StorageID); r.Outcome != tt.outcome || !strings.Contains(r.Message+r.Description, tt.says) {
			t.Errorf("%s: got %+v", tt.body, r)
		}
	}
}

// TestBacklog checks what the check reports for a gateway's metrics.
func TestBacklog(t *testing.T) {
	t.Parallel()
	const metrics = "# HELP x y\nsx_jobs{state=\"running\"} 9\nsx_jobs{state=\"queued\"} %d\n" +
		"sx_jobs_oldest_seconds{state=\"running\"} 9000\nsx_jobs_oldest_seconds{state=\"queued\"} %s\n"
	for _, tt := range []struct {
		body    string
		outcome check.Outcome
		says    string // a part of the message, or of the description
	}{
		{fmt.Sprintf(metrics, 0, "0"), check.OK, "no job waits"},
		{fmt.Sprintf(metrics, 1, "42.4"), check.OK, "1 job waits, for 42s"},
		{fmt.Sprintf(metrics, 7, "1.8e+03"), check.OK, "7 jobs wait, the oldest for 30m0s"},
		{fmt.Sprintf(metrics, 7, "1801"), check.FoundWarning, "7 jobs wait, the oldest for 30m1s"},
		{"sx_uploads_total 3\n", check.OutcomeSkipped, "not counted"},
	} {
		e := envWithGateway(t, tt.body)
		r := run(t, e, check.Running(), "backlog")
		if r.Outcome != tt.outcome || !strings.Contains(r.Message+r.Description, tt.says) {
			t.Errorf("%s: got %+v", tt.body, r)
		}
		if r.Outcome == check.FoundWarning && !strings.HasSuffix(r.Hint, ": sx admin queue") {
			t.Errorf("%s: the hint is %q", tt.body, r.Hint)
		}
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	healthy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`)
	}))
	t.Cleanup(healthy.Close)
	for address, want := range map[string]check.Outcome{healthy.URL: check.OK, "http://127.0.0.1:1": check.FoundFatal} {
		e, _ := env(t)
		e.Server = address
		if r := run(t, e, check.Running(), "server"); r.Outcome != want {
			t.Errorf("%s: got %+v", address, r)
		}
	}
}

// TestVersionWindow checks that a version that is too old for the chart is
// fatal, and that an unsupported one is a warning.
func TestVersionWindow(t *testing.T) {
	t.Parallel()
	metadata, err := charts.FS.ReadFile("soundextract/Chart.yaml")
	if err != nil || !strings.Contains(string(metadata), `kubeVersion: ">=1.29.0-0"`) {
		t.Errorf("the chart is for another version of Kubernetes: %s, %v", metadata, err)
	}
	for minor, want := range map[string]check.Outcome{
		"28": check.FoundFatal, "29": check.FoundWarning, "34": check.OK, "35+": check.OK, "99": check.FoundWarning, "x": check.FoundWarning,
	} {
		e, fakes := env(t)
		fakes.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{Major: "1", Minor: minor, GitVersion: "v1." + minor}
		if r := run(t, e, check.Preflight(), "version"); r.Outcome != want {
			t.Errorf("1.%s: got %+v", minor, r)
		}
	}
}

// TestSignedOut checks that the check is skipped without a sign-in.
func TestSignedOut(t *testing.T) {
	t.Parallel()
	for code, want := range map[sx.Code]check.Outcome{
		sx.CodeUnauthenticated: check.OutcomeSkipped, sx.CodeSessionEnded: check.OutcomeSkipped, sx.CodeInternal: check.FoundWarning,
	} {
		e, _ := env(t)
		e.Server = "http://127.0.0.1:1"
		e.Token = func(context.Context) (string, error) { return "", sx.NewError(code, "no token") }
		if r := run(t, e, check.Running(), "interrupted-upload"); r.Outcome != want {
			t.Errorf("%s: got %+v", code, r)
		}
	}
}

// envWithGateway returns an Env whose gateway responds with the body.
func envWithGateway(t *testing.T, body string) *check.Env {
	t.Helper()
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(gateway.Close)
	e, _ := env(t)
	e.PortForward = func(context.Context, string, int) (string, func(), error) {
		return gateway.Listener.Addr().String(), func() {}, nil
	}
	return e
}
