package httpserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

type checks = map[string]func(ctx context.Context) error

// mounted serves only the Health.
func mounted(t *testing.T, c checks) (h *httpserver.Health, url string, out *testkit.LogBuffer) {
	t.Helper()
	log, out := newLog(t, "info")
	h = httpserver.NewHealth(log, c)
	mux := http.NewServeMux()
	h.Mount(mux, httpserver.NewRegistry())
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return h, srv.URL, out
}

func healthOf(t *testing.T, url string) (int, api.Health) {
	t.Helper()
	res, body := get(t, url)
	var h api.Health
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		t.Fatal(err)
	}
	if h.Instance == "" || h.Version != sx.Version {
		t.Fatalf("got %+v", h)
	}
	return res.StatusCode, h
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	pass := func(context.Context) error { return nil }
	fail := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	tests := []struct {
		name   string
		input  checks
		status int
		want   string
	}{
		{"no checks", nil, 200, "ok"},
		{"all pass", checks{"bus": pass, "store": pass}, 200, "ok"},
		{"an *sx.Error", checks{"bus": pass, "store": fail(sx.NewError(sx.CodeUnavailable, "the store is unreachable"))}, 503, "store: the store is unreachable"},
		{"an error with secrets", checks{"store": fail(errors.New("mongodb://user:geheim@host"))}, 503, "store: failed; see the log"},
		{"two, in the order of their names", checks{
			"store": fail(sx.NewError(sx.CodeUnavailable, "b")), "bus": fail(sx.NewError(sx.CodeUnavailable, "a")),
		}, 503, "bus: a; store: b"},
		{"one waits for its ctx", checks{
			"bus": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "store": pass,
		}, 503, "bus: timeout after 2s"},
		{"one hangs forever", checks{"bus": func(context.Context) error { <-hang; return nil }}, 503, "bus: timeout after 2s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, url, _ := mounted(t, tt.input)
			status, got := healthOf(t, url+api.PathReady)
			if status != tt.status || got.Status != tt.want {
				t.Fatalf("got %d %q, want %d %q", status, got.Status, tt.status, tt.want)
			}
			status, alive := healthOf(t, url+api.PathHealth)
			if status != http.StatusOK || alive.Status != "ok" || alive.Instance != got.Instance {
				t.Fatalf("health: got %d %+v", status, alive)
			}
		})
	}
}

// TestReadinessLasts checks that a process that was ready remains so, and responds soon,
// while a dependency hangs.
func TestReadinessLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		hang := make(chan struct{})
		defer close(hang)
		log, _ := newLog(t, "info")
		h := httpserver.NewHealth(log, checks{"store": func(context.Context) error {
			if broken.Load() {
				<-hang
			}
			return nil
		}})
		mux := http.NewServeMux()
		h.Mount(mux, httpserver.NewRegistry())
		ready := func() (status int, got api.Health) {
			t.Helper()
			res := httptest.NewRecorder()
			mux.ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.PathReady, nil))
			if err := json.Unmarshal(res.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			return res.Code, got
		}
		if status, _ := ready(); status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
		broken.Store(true)
		start := time.Now()
		if status, got := ready(); status != http.StatusOK || got.Status != "ok" || got.Degraded != "store: timeout after 500ms" {
			t.Errorf("while the store hangs: %d %+v", status, got)
		}
		if took := time.Since(start); took != 500*time.Millisecond {
			t.Errorf("the response took %v", took)
		}
		h.Drain()
		if status, got := ready(); status != http.StatusServiceUnavailable || got.Status != "stopping" {
			t.Errorf("while draining: %d %+v", status, got)
		}
	})
}

func TestReadinessIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	_, url, out := mounted(t, checks{"store": func(context.Context) error {
		if broken.Load() {
			return sx.NewError(sx.CodeUnavailable, "the store is unreachable").WithCause(errors.New("refused"))
		}
		return nil
	}})
	for _, b := range []bool{false, true, true, false, false, true} {
		broken.Store(b)
		if status, h := healthOf(t, url+api.PathReady); status != http.StatusOK || (h.Degraded == "store: the store is unreachable") != b {
			t.Fatalf("got %d %+v while broken is %v", status, h, b)
		}
	}
	bad := out.Find(t, "dependency unavailable")
	if len(bad) != 2 || bad[0]["check"] != "store" || bad[0]["error"] != "the store is unreachable: refused" {
		t.Fatalf("got %v", bad)
	}
	if good := out.Find(t, "dependency available again"); len(good) != 1 {
		t.Fatalf("got %v", good)
	}
}

// TestWaitingIsNoError starts a process before what it depends on.
func TestWaitingIsNoError(t *testing.T) {
	t.Parallel()
	var there atomic.Bool
	_, url, out := mounted(t, checks{"store": func(context.Context) error {
		if !there.Load() {
			return errors.New("refused")
		}
		return nil
	}})
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusServiceUnavailable, http.StatusOK} {
		there.Store(want == http.StatusOK)
		if status, _ := healthOf(t, url+api.PathReady); status != want {
			t.Fatalf("got %d, want %d", status, want)
		}
	}
	if lines := out.Find(t, "dependency unavailable"); len(lines) != 1 || lines[0]["level"] != "INFO" {
		t.Errorf("got %v", lines)
	}
}

// TestInterruptedProbe checks that nothing is said about a dependency because of a probe whose
// client did not wait for the response.
func TestInterruptedProbe(t *testing.T) {
	t.Parallel()
	log, out := newLog(t, "info")
	h := httpserver.NewHealth(log, checks{"store": func(context.Context) error { return nil }})
	mux := http.NewServeMux()
	h.Mount(mux, httpserver.NewRegistry())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{t.Context(), gone, t.Context()} {
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, api.PathReady, nil))
	}
	for _, message := range []string{"dependency unavailable", "dependency available again"} {
		if lines := out.Find(t, message); len(lines) > 0 {
			t.Errorf("got %v", lines)
		}
	}
}

func TestHangingCheckIsRunOnce(t *testing.T) {
	t.Parallel()
	var running atomic.Int32
	hang := make(chan struct{})
	_, url, _ := mounted(t, checks{"bus": func(context.Context) error { running.Add(1); <-hang; return nil }})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { healthOf(t, url+api.PathReady) })
	}
	wg.Wait()
	if got := running.Load(); got != 1 {
		t.Fatalf("%d checks hang, want 1", got)
	}
	close(hang)
	testkit.Eventually(t, "readiness after the hang", func() bool {
		status, _ := healthOf(t, url+api.PathReady)
		return status == http.StatusOK
	})
}

func TestDrainAndMetrics(t *testing.T) {
	t.Parallel()
	h, url, _ := mounted(t, nil)
	h.Drain()
	if status, got := healthOf(t, url+api.PathReady); status != http.StatusServiceUnavailable || got.Status != "stopping" {
		t.Fatalf("got %d %+v", status, got)
	}
	if status, _ := healthOf(t, url+api.PathHealth); status != http.StatusOK {
		t.Fatalf("a draining process is not healthy: %d", status)
	}
	res, body := get(t, url+api.PathMetrics)
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "go_goroutines") {
		t.Fatalf("got %d %.100s", res.StatusCode, body)
	}
}
