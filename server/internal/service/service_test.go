package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/service"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// unavailable is the URI of a MongoDB that never responds.
const unavailable = "mongodb://127.0.0.1:1/"

var errStart = errors.New("started")

func unexpectedStart(context.Context, service.Dependencies) (service.Service, error) {
	return service.Service{}, errStart
}

// refused runs a program that must refuse to start, and returns its message.
func refused(t *testing.T, p func(stdout, stderr io.Writer) *service.Program, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	code := p(io.Discard, &stderr).Main(ctx, args, unexpectedStart)
	if code != sx.ExitUsage || !strings.HasPrefix(stderr.String(), "error: ") || !strings.Contains(stderr.String(), "\nhint: ") {
		t.Errorf("exit code %d, want %d with an error and a hint:\n%s", code, sx.ExitUsage, stderr.String())
	}
	return stderr.String()
}

func plain(stdout, stderr io.Writer) *service.Program {
	return service.New("auth", "127.0.0.1:0", stdout, stderr)
}

func withBus(stdout, stderr io.Writer) *service.Program {
	return plain(stdout, stderr).WithBus()
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInvalidSettings(t *testing.T) {
	t.Parallel()
	uri := "--mongodb-uri=" + unavailable
	for _, c := range []struct {
		name    string
		program func(stdout, stderr io.Writer) *service.Program
		args    []string
		want    string
	}{
		{"unknown flag", plain, []string{uri, "--colour"}, "--colour"},
		{"argument", plain, []string{uri, "start"}, `unexpected argument "start"`},
		{"log level", plain, []string{uri, "--log-level=loud"}, "invalid setting log-level"},
		{"log format", plain, []string{uri, "--log-format=xml"}, "invalid setting log-format"},
		{"no MongoDB", plain, nil, "invalid setting mongodb-uri: required"},
		{"no RabbitMQ", withBus, []string{uri}, "SX_AMQP_URI_FILE"},
		{"twice", plain, []string{uri, "--mongodb-uri-file=" + write(t, unavailable)}, "both set"},
		{"empty file", plain, []string{"--mongodb-uri-file=" + write(t, " \n")}, "is empty"},
		{"no file", plain, []string{"--mongodb-uri-file=" + filepath.Join(t.TempDir(), "none")}, "mongodb-uri-file"},
		{"nothing to check", plain, []string{"healthcheck"}, "has no port"},
		{"own check", func(stdout, stderr io.Writer) *service.Program {
			p := plain(stdout, stderr)
			p.Check = func() error { return service.Invalid("keys", "no key in %s", "/keys") }
			return p
		}, []string{uri}, "invalid setting keys: no key in /keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := refused(t, c.program, c.args...); !strings.Contains(got, c.want) {
				t.Errorf("%q is not in:\n%s", c.want, got)
			}
		})
	}
}

// TestPrecedence checks that a flag takes precedence over its variable, and
// that a secret can come from a flag, a variable or a file.
func TestPrecedence(t *testing.T) {
	t.Setenv("SX_LOG_LEVEL", "debug")
	t.Setenv("SX_MONGODB_URI_FILE", write(t, unavailable+"\n"))
	t.Setenv("SX_CODE", "from the variable")
	t.Setenv("SX_PORT", "1")
	stop := errors.New("settings are read")
	p := service.New("auth", "127.0.0.1:0", io.Discard, io.Discard)
	port := p.Flags.Int("port", 0, "")
	code := p.Secret("code", "")
	var got string
	p.Check = func() error { got = *code; return stop }
	if exit := p.Main(t.Context(), []string{"--port=2"}, unexpectedStart); exit != sx.ExitUsage {
		t.Errorf("exit code %d", exit)
	}
	if got != "from the variable" || *port != 2 {
		t.Errorf("code %q, port %d", got, *port)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	if code := withBus(&stdout, io.Discard).Main(t.Context(), []string{"--help"}, unexpectedStart); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"--mongodb-uri-file", "--amqp-uri", "SX_LOG_LEVEL", "healthcheck"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in:\n%s", want, stdout.String())
		}
	}
}

// program is a running program.
type program struct {
	url  string
	log  *testkit.LogBuffer
	stop func() int // stops it and returns the exit code
}

func start(t *testing.T, p func(stdout, stderr io.Writer) *service.Program, fn service.Start, args ...string) *program {
	t.Helper()
	log := &testkit.LogBuffer{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	exit := make(chan int, 1)
	go func() { exit <- p(io.Discard, log).Main(ctx, args, fn) }()
	stopped := false
	stop := func() int {
		t.Helper()
		stopped = true
		cancel()
		select {
		case code := <-exit:
			return code
		case <-time.After(testkit.Timeout):
			t.Error("the program did not stop")
			return -1
		}
	}
	t.Cleanup(func() {
		if !stopped {
			stop()
		}
	})
	return &program{url: "http://" + log.Wait(t, "serving")["addr"].(string), log: log, stop: stop}
}

// get returns the status and the body of a response.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestWaitingForDependencies checks that without its dependencies a program is
// healthy but not ready, and refuses requests with code unavailable.
func TestWaitingForDependencies(t *testing.T) {
	t.Parallel()
	p := start(t, withBus, unexpectedStart, "--mongodb-uri="+unavailable, "--amqp-uri=amqp://127.0.0.1:1/")
	if status, _ := get(t, p.url+api.PathHealth); status != http.StatusOK {
		t.Errorf("health: %d", status)
	}
	status, body := get(t, p.url+api.PathReady)
	var health api.Health
	if err := json.Unmarshal([]byte(body), &health); err != nil || status != http.StatusServiceUnavailable {
		t.Fatalf("ready: %d %s, %v", status, body, err)
	}
	for _, want := range []string{"store: waiting for MongoDB", "bus: waiting for RabbitMQ", "service: waiting for the dependencies"} {
		if !strings.Contains(health.Status, want) {
			t.Errorf("%q is not in %q", want, health.Status)
		}
	}
	if status, body := get(t, p.url+"/v1/me"); status != http.StatusServiceUnavailable || !strings.Contains(body, string(sx.CodeUnavailable)) {
		t.Errorf("a request: %d %s", status, body)
	}
	if line := p.log.Wait(t, "waiting"); line["for"] != "MongoDB" && line["for"] != "RabbitMQ" {
		t.Errorf("log line %v", line)
	}
	var stderr bytes.Buffer
	if code := plain(io.Discard, &stderr).Main(t.Context(), []string{"healthcheck", "--addr=" + strings.TrimPrefix(p.url, "http://")}, unexpectedStart); code != 0 {
		t.Errorf("healthcheck: exit code %d\n%s", code, stderr.String())
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code := plain(io.Discard, &stderr).Main(t.Context(), []string{"healthcheck", "--addr=" + strings.TrimPrefix(p.url, "http://")}, unexpectedStart); code != sx.ExitFailure || !strings.Contains(stderr.String(), "see the log of auth") {
		t.Errorf("healthcheck of a stopped program: exit code %d\n%s", code, stderr.String())
	}
}

// TestFullDisk checks that a program whose MongoDB has no space left waits for it: the
// program announces itself in the database when it starts.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	server := mongodb.StartSmall(t, 1)
	db := server.Database(t)
	filling := db.Collection("filling")
	for _, size := range []int{50_000, 500} { // the last page too
		for i := 0; ; i++ {
			if i == 100 {
				t.Fatal("the disk is not full")
			}
			if _, err := filling.InsertOne(t.Context(), map[string]any{"content": make([]byte, size)}); err != nil {
				break
			}
		}
	}
	started := func(context.Context, service.Dependencies) (service.Service, error) {
		return newService(http.NewServeMux()), nil
	}
	p := start(t, plain, started, "--mongodb-uri="+server.URI, "--mongodb-database="+db.Name())
	if line := p.log.Wait(t, "waiting"); line["for"] != "MongoDB" || !strings.Contains(fmt.Sprint(line["error"]), "disk is full") {
		t.Errorf("log line %v", line)
	}
	server.Limit(0)
	server.Kill(t)
	server.Resume(t)
	p.log.Wait(t, "started")
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	p := start(t, plain, unexpectedStart, "--mongodb-uri="+unavailable)
	log := &testkit.LogBuffer{}
	code := plain(io.Discard, log).Main(t.Context(), []string{"--mongodb-uri=" + unavailable, "--addr=" + strings.TrimPrefix(p.url, "http://")}, unexpectedStart)
	if code != sx.ExitUsage || !strings.Contains(log.String(), "--addr") {
		t.Errorf("exit code %d\n%s", code, log)
	}
}

// TestServiceDrains checks that a request that is being served when the program
// is stopped gets its response before the service is stopped and the store is
// closed.
func TestServiceDrains(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	database := server.Database(t).Name()
	entered, release := make(chan struct{}), make(chan struct{})
	service := func(_ context.Context, deps service.Dependencies) (service.Service, error) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-release
			if err := deps.Store.Ping(context.WithoutCancel(r.Context())); err != nil {
				t.Errorf("the store is closed: %v", err)
			}
			w.WriteHeader(http.StatusNoContent)
		})
		return newService(mux), nil
	}
	p := start(t, plain, service, "--mongodb-uri="+server.URI, "--mongodb-database="+database)
	testkit.Eventually(t, "readiness", func() bool {
		status, _ := get(t, p.url+api.PathReady)
		return status == http.StatusOK
	}, func() any { return p.log.String() })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/slow", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() {
		defer close(answered)
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
			answered <- res.StatusCode
		}
	}()
	<-entered
	exit := make(chan int, 1)
	go func() { exit <- p.stop() }()
	testkit.Eventually(t, "the listener is closed", func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(release)
	if status := <-answered; status != http.StatusNoContent {
		t.Errorf("the running request got status %d", status)
	}
	if code := <-exit; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func newService(handler http.Handler) service.Service {
	return service.Service{Handler: handler, Run: func(ctx context.Context) error { <-ctx.Done(); return nil }}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	args := []string{"--mongodb-uri=" + server.URI, "--mongodb-database=" + server.Database(t).Name()}
	log := &testkit.LogBuffer{}
	code := plain(io.Discard, log).Main(t.Context(), args, unexpectedStart)
	if code != sx.ExitFailure || !strings.Contains(log.String(), errStart.Error()) {
		t.Errorf("exit code %d\n%s", code, log)
	}
	// The chart's CronJob does not repeat a backup that ended with this code.
	code = plain(io.Discard, log).Main(t.Context(), args, func(context.Context, service.Dependencies) (service.Service, error) {
		return service.Service{}, sx.NewError(sx.CodeProblems, "a video could not be read")
	})
	if code != sx.ExitProblems {
		t.Errorf("exit code %d\n%s", code, log)
	}
}

func TestReadyCheck(t *testing.T) {
	t.Parallel()
	status := http.StatusServiceUnavailable
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/base"+api.PathReady {
			t.Errorf("path %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(other.Close)
	base, err := service.ParseURL("auth-url", other.URL+"/base")
	if err != nil {
		t.Fatal(err)
	}
	check := service.ReadyCheck("auth", plain(io.Discard, io.Discard).Transport(), base)
	if err := check(t.Context()); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("not ready: %v", err)
	}
	status = http.StatusOK
	if err := check(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	for _, invalid := range []string{"", "auth:8741", "ftp://auth", "http://", "http://a:b@auth", "http://auth?x=1", "http://auth#x"} {
		if _, err := service.ParseURL("auth-url", invalid); sx.CodeOf(err) != sx.CodeInvalid {
			t.Errorf("%q: %v, want code invalid", invalid, err)
		}
	}
}
