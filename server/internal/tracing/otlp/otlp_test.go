package otlp_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/tracing/otlp"
	"github.com/soundextract/sx/server/sx"
)

func TestEnabled(t *testing.T) {
	t.Parallel()
	const endpoint, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for _, tt := range []struct {
		set  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{endpoint: "http://collector:4318"}, true},
		{map[string]string{traces: "http://collector:4318/v1/traces"}, true},
		{map[string]string{endpoint: "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, false},
		{map[string]string{endpoint: "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, false},
	} {
		if got := otlp.Enabled(func(name string) string { return tt.set[name] }); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.set, got, tt.want)
		}
	}
}

// TestRefusals checks that a setting that would be ignored stops the program.
func TestRefusals(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(name, value)
			if _, err := otlp.Start(t.Context(), "gateway", "i", slog.New(slog.DiscardHandler)); sx.CodeOf(err) != sx.CodeInvalid {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestInvalidText checks that a request whose path is not UTF-8, which anybody can send,
// does not prevent the export of the spans that are sent with its own.
func TestInvalidText(t *testing.T) {
	var mu sync.Mutex
	var sent bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		sent.Write(body)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	stop, err := otlp.Start(t.Context(), "gateway", "i", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/jobs/{id}", func(http.ResponseWriter, *http.Request) {})
	h := httpserver.Observe(mux, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	for _, path := range []string{"/v1/jobs/good", "/v1/jobs/%ff"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, http.NoBody))
	}
	stop()
	mu.Lock()
	defer mu.Unlock()
	for _, path := range []string{"/v1/jobs/good", "/v1/jobs/_"} {
		if !bytes.Contains(sent.Bytes(), []byte(path)) {
			t.Errorf("no span of %s was exported", path)
		}
	}
}
