package logs_test

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
)

func TestFlags(t *testing.T) {
	t.Parallel()
	here := cluster.Flags{Namespace: "soundextract", Release: "soundextract"}
	clitest.CheckFlags(t, logs.NewCmd, logs.Options{Cluster: here})
	clitest.CheckFlags(t, logs.NewCmd, logs.Options{Cluster: here, Part: "gateway", Follow: true, Since: time.Hour, JSON: true},
		"gateway", "-f", "--since", "1h", "--json")
	there := cluster.Flags{Context: "lab", Namespace: "music", Release: "soundextract"}
	clitest.CheckFlags(t, logs.NewCmd, logs.Options{Cluster: there, ClusterGiven: true}, "--context", "lab", "-n", "music")
}

// show runs sx logs with a local server's directory in use.
func show(ctx context.Context, t *testing.T, streams *term.IOStreams, dir string, args ...string) error {
	t.Helper()
	f := &cmdutil.Factory{IO: streams, Config: func() (*config.Config, error) {
		return &config.Config{Server: "http://127.0.0.1:1", Data: dir}, nil
	}}
	cmd := logs.NewCmd(f, nil)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(ctx)
}

func line(at time.Time, level, service, msg string, more string) string {
	text, err := json.Marshal(msg)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"time":%q,"level":%q,"msg":%s,"service":%q%s}`+"\n", at.Format(time.RFC3339Nano), level, text, service, more)
}

func TestLocal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	if err := show(t.Context(), t, must(term.Test("")), dir); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("without a log: %v", err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := localserver.LogPath(dir)
	write(path+".1", line(now.Add(-3*time.Hour), "INFO", "gateway", "before the rotation", ""))
	write(path, line(now.Add(-2*time.Hour), "INFO", "auth", "signed in", `,"session":"abc"`)+
		line(now.Add(-time.Minute), "ERROR", "converter", "failed \x1b[2J", `,"file":"a b.mp4"`)+
		"panic: oh no\n"+
		line(now, "WARN", "gateway", "slow", ""))
	for _, tt := range []struct {
		args []string
		want []string
		not  []string
	}{
		{nil, []string{"before the rotation", "signed in session=abc", `failed [2J file="a b.mp4"`, "panic: oh no", "slow"}, []string{"\x1b"}},
		{[]string{"converter"}, []string{"converter", "failed"}, []string{"slow", "signed in"}},
		{[]string{"notifier"}, nil, []string{"slow"}},
		{[]string{"--since", "1h"}, []string{"failed", "panic: oh no", "slow"}, []string{"signed in", "rotation"}},
		{[]string{"auth", "--json"}, []string{`"session":"abc"`, `"service":"auth"`}, []string{"slow"}},
	} {
		streams, out, _ := term.Test("")
		if err := show(t.Context(), t, streams, dir, tt.args...); err != nil {
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
	if err := show(t.Context(), t, must(term.Test("")), dir, "kitchen"); sx.CodeOf(err) != sx.CodeUsage {
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

func TestFollow(t *testing.T) {
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
	add(line(time.Now(), "INFO", "gateway", "first", ""))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(lines)
	streams, _, _ := term.Test("")
	streams.Out = out
	done := make(chan error, 1)
	go func() { done <- show(ctx, t, streams, dir, "-f") }()
	next := func(want string) {
		t.Helper()
		select {
		case got := <-out:
			if !strings.Contains(got, want) {
				t.Errorf("got %q, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no line %s", want)
		}
	}
	next("first")
	second := line(time.Now(), "INFO", "gateway", "second", "")
	add(second[:20])
	add(second[20:]) // a line that is written in two parts
	next("second")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	add(line(time.Now(), "INFO", "gateway", "after the rotation", ""))
	next("after the rotation")
	cancel()
	if err := <-done; err == nil {
		t.Error("following ended by itself")
	}
}

// TestCluster reads the logs of two pods through an API server.
func TestCluster(t *testing.T) {
	t.Setenv("KUBECACHEDIR", t.TempDir())
	var asked []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/pods/gateway-1/log"):
			asked = append(asked, r.URL.RawQuery)
			_, _ = w.Write([]byte(`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"request","status":200}` + "\n"))
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
	if err := show(t.Context(), t, streams, "", append(at, "gateway")...); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "gateway-1") || !strings.Contains(got, "request status=200") {
		t.Errorf("got %s", got)
	}
	if err := show(t.Context(), t, streams, "", append(at, "gateway", "--since", "1m")...); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 2 || !strings.Contains(asked[0], "tailLines=100") || !strings.Contains(asked[1], "sinceSeconds=60") {
		t.Errorf("asked for %q", asked)
	}
	if err := show(t.Context(), t, streams, "", append(at, "nothing")...); sx.CodeOf(err) != sx.CodeNotFound {
		t.Errorf("an unknown part: %v", err)
	}
}
