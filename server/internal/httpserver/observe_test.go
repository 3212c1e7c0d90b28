package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// observed serves mux like a program does, and returns its URL and log.
func observed(t *testing.T, fill func(mux *http.ServeMux, log *slog.Logger)) (string, *testkit.LogBuffer, *prometheus.Registry) {
	t.Helper()
	log, out := newLog(t, "debug")
	reg := prometheus.NewRegistry()
	mux := http.NewServeMux()
	fill(mux, log)
	srv := httptest.NewServer(httpserver.Observe(httpserver.Routes(mux), log, reg))
	t.Cleanup(srv.Close)
	return srv.URL, out, reg
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	url, out, _ := observed(t, func(mux *http.ServeMux, log *slog.Logger) {
		mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
			log.With("part", "x").WithGroup("g").InfoContext(r.Context(), "inside")
			_, _ = fmt.Fprint(w, httpserver.RequestID(r.Context())+" "+r.Header.Get(api.HeaderRequestID))
		})
	})
	made := regexp.MustCompile(`^[a-z2-7]{16}$`)
	tests := []struct {
		name, input string
		keep        bool
	}{
		{"none", "", false},
		{"sane", "req-1.A_b", true},
		{"longest", strings.Repeat("a", 64), true},
		{"too long", strings.Repeat("a", 65), false},
		{"blank", "a b", false},
		{"forges a log line", `x" level="ERROR`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := newRequest(t, http.MethodGet, url, nil)
			req.Header.Set(api.HeaderRequestID, tt.input)
			res, body := do(t, req)
			id := res.Header.Get(api.HeaderRequestID)
			if (tt.keep && id != tt.input) || (!tt.keep && !made.MatchString(id)) {
				t.Fatalf("got id %q for %q", id, tt.input)
			}
			if body != id+" "+id {
				t.Fatalf("ctx and header have %q, the response %q", body, id)
			}
			testkit.Eventually(t, "a log line with the id", func() bool {
				return strings.Contains(out.String(), `"request_id":"`+id+`"`)
			})
		})
	}
	out.Wait(t, "inside")
	if got := httpserver.RequestID(t.Context()); got != "" {
		t.Fatalf("outside of a request: got %q", got)
	}
	httpserver.SetUser(t.Context(), "nobody") // outside of a request: does nothing
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	url, out, _ := observed(t, func(mux *http.ServeMux, _ *slog.Logger) {
		mux.HandleFunc("POST /v1/jobs/{id}/cancel", func(w http.ResponseWriter, r *http.Request) {
			httpserver.SetUser(r.Context(), "u1")
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte("hello"))
		})
		mux.HandleFunc("GET "+api.PathHealth, func(http.ResponseWriter, *http.Request) {})
	})
	req := newRequest(t, http.MethodPost, url+"/v1/jobs/j1/cancel?token=geheim", strings.NewReader("geheim"))
	req.Header.Set("Authorization", "Bearer geheim")
	do(t, req)
	got := out.Wait(t, "request")
	for k, want := range map[string]any{
		"level": "INFO", "method": "POST", "path": "/v1/jobs/j1/cancel", "route": "/v1/jobs/{id}/cancel",
		"status": float64(201), "bytes": float64(5), "user": "u1",
	} {
		if got[k] != want {
			t.Errorf("%s: got %v, want %v", k, got[k], want)
		}
	}
	if took, err := time.ParseDuration(fmt.Sprint(got["took"])); err != nil || took <= 0 {
		t.Errorf("no duration in %v", got)
	}
	get(t, url+"/s/sxl_geheim/1")
	get(t, url+"/s/geheim")
	get(t, url+"/else/sxl_geheim")
	get(t, url+"/f/sxf_geheim/feed.xml")
	get(t, url+"/f/geheim/sxl_a")
	get(t, url+"/else/sxf_geheim/sxl_a")
	testkit.Eventually(t, "seven lines", func() bool { return len(out.Find(t, "request")) == 7 })
	if strings.Contains(out.String(), "geheim") {
		t.Errorf("a secret is in the log: %s", out)
	}

	get(t, url+"/"+strings.Repeat("a", 5000))
	get(t, url+api.PathHealth)
	get(t, url+"/a%C2%9B31m%E2%80%AE%1b")
	testkit.Eventually(t, "ten lines", func() bool { return len(out.Find(t, "request")) == 10 })
	all := out.Find(t, "request")[6:]
	if all[1]["status"] != float64(404) || all[1]["route"] != "none" || len(all[1]["path"].(string)) != 256 {
		t.Errorf("got %v for an unknown path", all[1])
	}
	if all[2]["level"] != "DEBUG" {
		t.Errorf("a probe is logged as %v", all[2]["level"])
	}
	if all[3]["path"] != "/a31m" {
		t.Errorf("the path of a hostile request is logged as %q", all[3]["path"])
	}
}

func TestClientGone(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	url, out, _ := observed(t, func(mux *http.ServeMux, log *slog.Logger) {
		mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-r.Context().Done()
			httpserver.WriteError(r.Context(), w, log, fmt.Errorf("read the store: %w", r.Context().Err()))
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	if res, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodGet, url, nil).WithContext(ctx)); err == nil {
		_ = res.Body.Close()
		t.Fatal("there is a response")
	}
	if got := out.Wait(t, "request"); got["status"] != float64(499) {
		t.Fatalf("got %v, want status 499", got)
	}
	if got := out.Find(t, "request failed"); len(got) != 0 {
		t.Fatalf("a client's disconnect is logged as a failure: %v", got)
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	url, out, _ := observed(t, func(mux *http.ServeMux, _ *slog.Logger) {
		mux.HandleFunc("GET /early", func(http.ResponseWriter, *http.Request) { panic("geheim") })
		mux.HandleFunc("POST /late", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			panic("late")
		})
		mux.HandleFunc("POST /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
	res, body := get(t, url+"/early")
	wantError(t, res, body, http.StatusInternalServerError, sx.CodeInternal)
	if strings.Contains(body, "geheim") || res.Header.Get(api.HeaderRequestID) == "" {
		t.Fatalf("got body %q, header %v", body, res.Header)
	}
	line := out.Wait(t, "handler panicked")
	if stack, _ := line["stack"].(string); line["panic"] != "geheim" || !strings.Contains(stack, "observe_test.go") || line["request_id"] == nil {
		t.Fatalf("got log line %v", line)
	}
	testkit.Eventually(t, "access log of the panic", func() bool {
		l := out.Find(t, "request")
		return len(l) == 1 && l[0]["status"] == float64(500) && l[0]["level"] == "WARN"
	})

	late, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodPost, url+"/late", nil))
	if err == nil {
		_, err = io.ReadAll(late.Body)
		_ = late.Body.Close()
	}
	if err == nil {
		t.Fatal("an interrupted response looks complete")
	}
	aborted, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodPost, url+"/abort", nil))
	if err == nil {
		_ = aborted.Body.Close()
		t.Fatal("an aborted request has a response")
	}
	if got := len(out.Find(t, "handler panicked")); got != 2 {
		t.Fatalf("%d panics are logged, want 2 (an abort is not one)", got)
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk on fire")
	errs := map[string]error{
		"internal":    fmt.Errorf("save job: %w", cause),
		"unavailable": sx.NewError(sx.CodeUnavailable, "the store is unreachable").WithCause(cause),
		"notfound":    sx.NewError(sx.CodeNotFound, "job not found"),
	}
	url, out, _ := observed(t, func(mux *http.ServeMux, log *slog.Logger) {
		mux.HandleFunc("GET /{which}", func(w http.ResponseWriter, r *http.Request) {
			httpserver.WriteError(r.Context(), w, log, errs[r.PathValue("which")])
		})
	})
	for which, want := range map[string]struct {
		status int
		code   sx.Code
		logged string
	}{
		"internal":    {500, sx.CodeInternal, "save job: disk on fire"},
		"unavailable": {503, sx.CodeUnavailable, "the store is unreachable: disk on fire"},
		"notfound":    {404, sx.CodeNotFound, ""},
	} {
		before := len(out.Find(t, "request failed"))
		res, body := get(t, url+"/"+which)
		wantError(t, res, body, want.status, want.code)
		if strings.Contains(body, "fire") {
			t.Errorf("%s: the cause is sent: %s", which, body)
		}
		all := out.Find(t, "request failed")[before:]
		switch {
		case want.logged == "" && len(all) != 0:
			t.Errorf("%s: logged as a failure: %v", which, all)
		case want.logged != "" && (len(all) != 1 || all[0]["error"] != want.logged):
			t.Errorf("%s: got log %v, want %q", which, all, want.logged)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	url, _, reg := observed(t, func(mux *http.ServeMux, _ *slog.Logger) {
		mux.HandleFunc("GET /v1/jobs/{id}", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("/v1/uploads/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	})
	get(t, url+"/v1/jobs/1")
	get(t, url+"/v1/jobs/2")
	get(t, url+"/wp-admin")
	do(t, newRequest(t, http.MethodPatch, url+"/v1/uploads/1", nil))
	do(t, newRequest(t, "MADEUP", url+"/v1/uploads/1", nil))
	want := `
# HELP sx_http_requests_total HTTP requests by route, method and status.
# TYPE sx_http_requests_total counter
sx_http_requests_total{method="GET",route="/v1/jobs/{id}",status="200"} 2
sx_http_requests_total{method="GET",route="none",status="404"} 1
sx_http_requests_total{method="PATCH",route="/v1/uploads/",status="204"} 1
sx_http_requests_total{method="other",route="/v1/uploads/",status="204"} 1
`
	testkit.Eventually(t, "the metrics", func() bool {
		return testutil.GatherAndCompare(reg, strings.NewReader(want), "sx_http_requests_total") == nil
	})
	if n, err := testutil.GatherAndCount(reg, "sx_http_request_duration_seconds"); err != nil || n != 4 {
		t.Fatalf("got %d durations, error %v, want 4", n, err)
	}
}

// Uploads, event streams and downloads need these abilities of a ResponseWriter.
func TestResponseWriterAbilities(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "track.mp3")
	if err := os.WriteFile(name, []byte(strings.Repeat("x", 100_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	url, out, _ := observed(t, func(mux *http.ServeMux, _ *slog.Logger) {
		mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
			ctl := http.NewResponseController(w)
			for _, err := range []error{
				ctl.SetReadDeadline(time.Now().Add(time.Minute)), ctl.SetWriteDeadline(time.Now().Add(time.Minute)),
			} {
				if err != nil {
					t.Error(err)
				}
			}
			w.WriteHeader(http.StatusEarlyHints) // not the final status
			if err := ctl.Flush(); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, "one\n")
			if err := ctl.Flush(); err != nil {
				t.Error(err)
			}
			select {
			case <-release:
			case <-r.Context().Done():
			}
		})
		mux.HandleFunc("GET /file", func(w http.ResponseWriter, r *http.Request) {
			if _, ok := w.(io.ReaderFrom); !ok {
				t.Error("the writer cannot send files")
			}
			http.ServeFile(w, r, name)
		})
	})
	res, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodGet, url+"/stream", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || line != "one\n" {
		t.Fatalf("got %q, error %v before the handler has ended", line, err)
	}
	close(release)
	if got := out.Wait(t, "request"); got["status"] != float64(200) || got["bytes"] != float64(4) {
		t.Fatalf("got %v", got)
	}
	req := newRequest(t, http.MethodGet, url+"/file", nil)
	req.Header.Set("Range", "bytes=10-")
	if res, body := do(t, req); res.StatusCode != http.StatusPartialContent || len(body) != 99_990 {
		t.Fatalf("got %d with %d bytes", res.StatusCode, len(body))
	}
	testkit.Eventually(t, "the file's line", func() bool {
		l := out.Find(t, "request")
		return len(l) == 2 && l[1]["bytes"] == float64(99_990) && l[1]["status"] == float64(206)
	})
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	url, _, _ := observed(t, func(mux *http.ServeMux, _ *slog.Logger) {
		mux.HandleFunc("GET /a/{id}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.PathValue("id")) })
		mux.HandleFunc("DELETE /a/{id}", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("/tree/", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("GET /own404", func(w http.ResponseWriter, _ *http.Request) {
			api.WriteError(w, sx.NewError(sx.CodeNotFound, "job not found"))
		})
	})
	if res, body := get(t, url+"/a/7"); res.StatusCode != http.StatusOK || body != "7" {
		t.Errorf("got %d %q", res.StatusCode, body)
	}
	res, body := get(t, url+"/nothing")
	wantError(t, res, body, http.StatusNotFound, sx.CodeNotFound)

	res, body = do(t, newRequest(t, http.MethodPost, url+"/a/7", strings.NewReader("x")))
	e := wantError(t, res, body, http.StatusMethodNotAllowed, sx.CodeInvalid)
	if allow := res.Header.Get("Allow"); allow != "DELETE, GET, HEAD" || e.Hint != "use DELETE or GET or HEAD" {
		t.Errorf("got Allow %q, hint %q", allow, e.Hint)
	}
	if res, _ = get(t, url+"/tree"); res.StatusCode/100 != 3 {
		t.Errorf("the mux's redirect is lost: got %d", res.StatusCode)
	}
	res, body = get(t, url+"/own404")
	if e := wantError(t, res, body, http.StatusNotFound, sx.CodeNotFound); e.Message != "job not found" {
		t.Errorf("a handler's own response is replaced: %+v", e)
	}
}
