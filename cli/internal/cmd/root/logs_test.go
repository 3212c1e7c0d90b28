package root_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmd/logs"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func TestLogsFlags(t *testing.T) {
	t.Parallel()
	here := cluster.Flags{Namespace: "soundextract", Release: "soundextract"}
	clitest.CheckFlags(t, logs.NewCmd, logs.Options{Cluster: here})
	clitest.CheckFlags(t, logs.NewCmd, logs.Options{Cluster: here, Part: "gateway", Follow: true, Since: time.Hour, JSON: true},
		"gateway", "-f", "--since", "1h", "--json")
	clitest.CheckFlags(t, logs.NewCmd, logs.Options{Cluster: here, Job: "jq3m5v7kxw2c4t6b"}, "--job", "jq3m5v7kxw2c4t6b")
	if err := clitest.Run(t, logs.NewCmd(clitest.Factory(), nil), "--job", "talk.mp4"); sx.CodeOf(err) != sx.CodeUsage {
		t.Errorf("a job's name: %v", err)
	}
	there := cluster.Flags{Context: "lab", Namespace: "music", Release: "soundextract"}
	clitest.CheckFlags(t, logs.NewCmd, logs.Options{Cluster: there, ClusterGiven: true}, "--context", "lab", "-n", "music")
}

// runLogs runs sx logs with a local server's directory in use.
func runLogs(ctx context.Context, t *testing.T, streams *term.IOStreams, dir string, args ...string) error {
	t.Helper()
	f := &cmdutil.Factory{IO: streams, Config: func() (*config.Config, error) {
		return &config.Config{Server: "http://127.0.0.1:1", Data: dir}, nil
	}}
	cmd := logs.NewCmd(f, nil)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(ctx)
}

func logLine(at time.Time, level, service, msg string, more string) string {
	text, err := json.Marshal(msg)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"time":%q,"level":%q,"msg":%s,"service":%q%s}`+"\n", at.Format(time.RFC3339Nano), level, text, service, more)
}

func TestLocalLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	if err := runLogs(t.Context(), t, must(term.Test("")), dir); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("without a log: %v", err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := localserver.LogPath(dir)
	write(path+".1", logLine(now.Add(-3*time.Hour), "INFO", "gateway", "before the rotation", ""))
	write(path, logLine(now.Add(-2*time.Hour), "INFO", "auth", "signed in", `,"session":"abc"`)+
		logLine(now.Add(-90*time.Minute), "INFO", "gateway", "request", `,"path":"/v1/uploads/jq3m5v7kxw2c4t6b"`)+
		logLine(now.Add(-80*time.Minute), "INFO", "converter", "conversion done", `,"job":"jq3m5v7kxw2c4t6b"`)+
		logLine(now.Add(-time.Minute), "ERROR", "converter", "failed \x1b[2J", `,"file":"a b.mp4"`)+
		logLine(now, "WARN", "gateway", "names", `,"name":"\u202e\u009b2J\ud83d\udc69\u200d\ud83d\udcbb","list":["\u001b[2J a\nb"],"of\u0007":{"\u009bx":"\u202ey"}`)+
		"panic: oh no\n"+
		logLine(now, "WARN", "gateway", "slow", ""))
	unsafe := []string{"\x1b", "\u009b", "\u202e", `\u202e`, `\u009b`}
	for _, tt := range []struct {
		args []string
		want []string
		not  []string
	}{
		{nil, []string{"before the rotation", "signed in session=abc", `failed [2J file="a b.mp4"`, "panic: oh no", "slow", " name=\"2J👩\u200d💻\"", `list=["\u001b[2J a\nb"]`}, unsafe},
		{[]string{"converter"}, []string{"converter", "failed"}, []string{"slow", "signed in"}},
		{[]string{"notifier"}, nil, []string{"slow"}},
		{[]string{"--since", "1h"}, []string{"failed", "panic: oh no", "slow"}, []string{"signed in", "rotation"}},
		{[]string{"--job", "jq3m5v7kxw2c4t6b"}, []string{"path=/v1/uploads/", "conversion done"}, []string{"signed in", "panic", "slow"}},
		{[]string{"converter", "--job", "jq3m5v7kxw2c4t6b"}, []string{"conversion done"}, []string{"path="}},
		{[]string{"--job", "aaaaaaaaaaaaaaaa"}, nil, []string{"conversion done", "slow"}},
		{[]string{"auth", "--json"}, []string{`"session":"abc"`, `"service":"auth"`}, []string{"slow"}},
		{[]string{"--json"}, []string{"\"name\":\"2J👩\u200d💻\"", `"list":["[2J ab"]`, `"of":{"x":"y"}`}, unsafe},
	} {
		streams, out, _ := term.Test("")
		if err := runLogs(t.Context(), t, streams, dir, tt.args...); err != nil {
			t.Errorf("%q: %v", tt.args, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q: %q is missing in\n%s", tt.args, want, out)
			}
		}
		for _, not := range tt.not {
			if strings.Contains(out.String(), not) {
				t.Errorf("%q: %q is in\n%s", tt.args, not, out)
			}
		}
	}
	if err := runLogs(t.Context(), t, must(term.Test("")), dir, "kitchen"); sx.CodeOf(err) != sx.CodeUsage {
		t.Errorf("unknown part: %v", err)
	}
}

func must(s *term.IOStreams, _, _ any) *term.IOStreams { return s }

// lines passes on each line that is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestLogsFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := localserver.LogPath(dir)
	add := func(text string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	add(logLine(time.Now(), "INFO", "gateway", "first", ""))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(lines)
	streams, _, _ := term.Test("")
	streams.Out = out
	done := make(chan error, 1)
	go func() { done <- runLogs(ctx, t, streams, dir, "-f") }()
	next := func(want string) {
		t.Helper()
		select {
		case got := <-out:
			if !strings.Contains(got, want) {
				t.Errorf("got %q, want %s", got, want)
			}
		case <-time.After(testkit.Timeout):
			t.Fatalf("no line %s", want)
		}
	}
	next("first")
	second := logLine(time.Now(), "INFO", "gateway", "second", "")
	add(second[:20])
	add(second[20:]) // a line that is written in two parts
	next("second")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	add(logLine(time.Now(), "INFO", "gateway", "after the rotation", ""))
	next("after the rotation")
	cancel()
	if err := <-done; err == nil {
		t.Error("following ended by itself")
	}
}

// TestLogsInCluster reads the logs of two pods through an API server.
// TestFollowedLogsCannotBePrinted checks that following ends if nothing more can be printed.
func TestFollowedLogsCannotBePrinted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(localserver.LogPath(dir), []byte(logLine(time.Now(), "INFO", "gateway", "first", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	streams, _, _ := term.Test("")
	streams.Filter = func([]byte) ([]byte, error) { return nil, sx.NewError(sx.CodeInvalid, "--jq: not a number") }
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	if err := runLogs(ctx, t, streams, dir, "-f", "--json"); sx.CodeOf(err) != sx.CodeInvalid || ctx.Err() != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestLogsInCluster(t *testing.T) {
	t.Setenv("KUBECACHEDIR", t.TempDir())
	var asked []string
	later := make(chan struct{}) // closed when the pod writes another line
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/pods/gateway-1/log"):
			asked = append(asked, r.URL.RawQuery)
			_, _ = w.Write([]byte(`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"request","status":200}` + "\n"))
			if r.URL.Query().Get("follow") != "true" {
				return
			}
			_ = http.NewResponseController(w).Flush() // if it fails, no line comes
			select {
			case <-later:
				_, _ = w.Write([]byte(`{"time":"2026-01-02T03:04:06Z","level":"INFO","msg":"a later line"}` + "\n"))
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			case <-r.Context().Done():
			}
		case strings.HasSuffix(r.URL.Path, "/namespaces/music/pods"):
			if got := r.URL.Query().Get("labelSelector"); got != "app.kubernetes.io/instance=soundextract,app.kubernetes.io/component=gateway" {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"kind":"PodList","apiVersion":"v1","items":[]}`))
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"kind": "PodList", "apiVersion": "v1", "items": []any{map[string]any{
				"metadata": map[string]any{"name": "gateway-1", "namespace": "music", "labels": map[string]string{"app.kubernetes.io/component": "gateway"}},
				"status":   map[string]any{"containerStatuses": []any{map[string]any{"name": "gateway", "containerID": "c1", "state": map[string]any{"running": map[string]any{}}}}},
			}}})
		default:
			http.NotFound(w, r)
		}
	}))
	defer api.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: lab\ncontexts: [{name: lab, context: {cluster: lab, user: lab}}]\n"+
		"clusters: [{name: lab, cluster: {server: %q}}]\nusers: [{name: lab, user: {token: x}}]\n", api.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	streams, out, _ := term.Test("")
	at := []string{"--kubeconfig", kubeconfig, "-n", "music"}
	if err := runLogs(t.Context(), t, streams, "", append(at, "gateway")...); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "gateway-1") || !strings.Contains(got, "request status=200") {
		t.Errorf("got %s", got)
	}
	if err := runLogs(t.Context(), t, streams, "", append(at, "gateway", "--since", "1m")...); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 2 || !strings.Contains(asked[0], "tailLines=100") || !strings.Contains(asked[1], "sinceSeconds=60") {
		t.Errorf("asked for %q", asked)
	}

	// With -f, a line is shown when it comes.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	shown := make(lines)
	following, _, _ := term.Test("")
	following.Out = shown
	done := make(chan error, 1)
	go func() { done <- runLogs(ctx, t, following, "", append(at, "gateway", "-f")...) }()
	next := func(want string) {
		t.Helper()
		select {
		case got := <-shown:
			if !strings.Contains(got, want) {
				t.Errorf("got %q, want %s", got, want)
			}
		case err := <-done:
			t.Fatalf("following ended before %s: %v", want, err)
		case <-time.After(testkit.Timeout):
			t.Fatalf("no line %s", want)
		}
	}
	next("request status=200")
	close(later)
	next("a later line")
	cancel()
	if err := <-done; err == nil {
		t.Error("following ended by itself")
	}
	if err := runLogs(t.Context(), t, streams, "", append(at, "nothing")...); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("an unknown part: %v", err)
	}
}

// TestLogsOfJobInCluster checks that the lines about a job come from all pods, in the order of
// time, with what a restarted container wrote before.
func TestLogsOfJobInCluster(t *testing.T) {
	t.Setenv("KUBECACHEDIR", t.TempDir())
	const job = "jq3m5v7kxw2c4t6b"
	pod := func(name, part string, restarted bool) map[string]any {
		status := map[string]any{"name": part, "containerID": name, "state": map[string]any{"running": map[string]any{}}}
		if restarted {
			status["lastState"] = map[string]any{"terminated": map[string]any{"exitCode": 137}}
		}
		return map[string]any{
			"metadata": map[string]any{"name": name, "namespace": "music", "labels": map[string]string{"app.kubernetes.io/component": part}},
			"status":   map[string]any{"containerStatuses": []any{status}},
		}
	}
	said := func(second int, text string) string {
		return fmt.Sprintf(`{"time":"2026-01-02T03:04:%02dZ","level":"INFO","msg":%q,"job":%q}`+"\n", second, text, job)
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before := r.URL.Query().Get("previous") == "true"
		switch {
		case r.URL.Query().Get("tailLines") != "":
			t.Error("the log was cut")
		case strings.HasSuffix(r.URL.Path, "/gateway-1/log"):
			_, _ = w.Write([]byte(said(1, "upload finished") + `{"time":"2026-01-02T03:04:02Z","level":"INFO","msg":"another job","job":"aaaaaaaaaaaaaaaa"}` + "\n" + said(9, "downloaded")))
		case strings.HasSuffix(r.URL.Path, "/converter-1/log") && before:
			_, _ = w.Write([]byte(said(3, "first attempt")))
		case strings.HasSuffix(r.URL.Path, "/converter-1/log"):
			_, _ = w.Write([]byte(said(5, "second attempt")))
		case strings.HasSuffix(r.URL.Path, "/namespaces/music/pods"):
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"kind": "PodList", "apiVersion": "v1", "items": []any{
				pod("converter-1", "converter", true), pod("gateway-1", "gateway", false),
			}})
		default:
			http.NotFound(w, r)
		}
	}))
	defer api.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: lab\ncontexts: [{name: lab, context: {cluster: lab, user: lab}}]\n"+
		"clusters: [{name: lab, cluster: {server: %q}}]\nusers: [{name: lab, user: {token: x}}]\n", api.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	streams, out, _ := term.Test("")
	if err := runLogs(t.Context(), t, streams, "", "--kubeconfig", kubeconfig, "-n", "music", "--job", job); err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, want := range []string{"upload finished", "first attempt", "second attempt", "downloaded"} {
		next := strings.Index(out.String(), want)
		if next <= at {
			t.Errorf("%q is missing or too early in\n%s", want, out)
		}
		at = next
	}
	if strings.Contains(out.String(), "another job") {
		t.Errorf("got\n%s", out)
	}
}
