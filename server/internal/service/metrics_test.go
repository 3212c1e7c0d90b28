package service_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/service"
)

// TestMetricsAddr checks that with --metrics-addr the port of the API has no metrics, and
// if users reach it, says nothing about the dependencies.
func TestMetricsAddr(t *testing.T) {
	t.Parallel()
	public := func(stdout, stderr io.Writer) *service.Program {
		p := plain(stdout, stderr)
		p.Public = true
		return p
	}
	for name, tt := range map[string]struct {
		program func(stdout, stderr io.Writer) *service.Program
		ready   bool // on the port of the API
	}{"public": {public, false}, "internal": {plain, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, tt.program, unexpectedStart, "--mongodb-uri="+unavailable, "--metrics-addr=127.0.0.1:0")
			monitoring := "http://" + p.log.Wait(t, "serving")["metrics_addr"].(string)
			if status, body := get(t, monitoring+api.PathMetrics); status != http.StatusOK || !strings.Contains(body, "go_goroutines") {
				t.Errorf("metrics: %d %s", status, body)
			}
			if status, body := get(t, monitoring+api.PathReady); status != http.StatusServiceUnavailable || !strings.Contains(body, "waiting for MongoDB") {
				t.Errorf("readiness: %d %s", status, body)
			}
			if status, _ := get(t, monitoring+api.PathJobs); status != http.StatusNotFound {
				t.Errorf("a path of the API: %d", status)
			}
			for _, address := range []string{p.url, monitoring} {
				if status, _ := get(t, address+api.PathHealth); status != http.StatusOK {
					t.Errorf("%s: health: %d", address, status)
				}
			}
			if status, body := get(t, p.url+api.PathMetrics); status == http.StatusOK || strings.Contains(body, "go_goroutines") {
				t.Errorf("metrics on the port of the API: %d", status)
			}
			if _, body := get(t, p.url+api.PathReady); strings.Contains(body, "MongoDB") != tt.ready {
				t.Errorf("readiness on the port of the API: %s", body)
			}
		})
	}
}
