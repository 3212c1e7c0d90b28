package httpserver_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/soundextract/sx/server/internal/httpserver"
)

func TestOnlyThisMachine(t *testing.T) {
	t.Parallel()
	h := httpserver.OnlyThisMachine(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, tt := range map[string]struct {
		client, server string
		header         string
		want           int
	}{
		"IPv4":                      {"127.0.0.1:5", "127.0.0.1:8740", "", http.StatusOK},
		"IPv6":                      {"[::1]:5", "[::1]:8740", "", http.StatusOK},
		"mapped":                    {"[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]:8740", "", http.StatusOK},
		"own address":               {"192.168.1.5:5", "192.168.1.5:8740", "", http.StatusOK},
		"another machine":           {"192.168.1.6:5", "192.168.1.5:8740", "", http.StatusNotFound},
		"proxy":                     {"127.0.0.1:5", "127.0.0.1:8740", "X-Forwarded-For", http.StatusNotFound},
		"proxy, as in RFC 7239":     {"127.0.0.1:5", "127.0.0.1:8740", "Forwarded", http.StatusNotFound},
		"proxy with another header": {"127.0.0.1:5", "127.0.0.1:8740", "X-Real-IP", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			local, err := net.ResolveTCPAddr("tcp", tt.server)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local), http.MethodGet, "/metrics", http.NoBody)
			r.RemoteAddr = tt.client
			if tt.header != "" {
				r.Header.Set(tt.header, "198.51.100.7")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d, want %d", w.Code, tt.want)
			}
		})
	}
}
