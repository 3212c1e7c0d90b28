package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
)

// TestClientAddress checks that a client cannot choose the address by which
// auth limits attempts.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		hops      int
		forwarded []string // one header each
		want      string
	}{
		{"no proxy, no header", 0, nil, "127.0.0.1"},
		{"no proxy, a forged header", 0, []string{"203.0.113.7"}, "127.0.0.1"},
		{"one proxy", 1, []string{"203.0.113.7"}, "203.0.113.7"},
		{"one proxy, after an element from the client", 1, []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{"two proxies", 2, []string{"198.51.100.1, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"two proxies, one header each", 2, []string{"198.51.100.1", "203.0.113.7", "10.0.0.2"}, "203.0.113.7"},
		{"one proxy was bypassed", 2, []string{"203.0.113.7"}, "127.0.0.1"},
		{"all proxies were bypassed", 1, nil, "127.0.0.1"},
		{"no address", 1, []string{"203.0.113.7, unknown"}, "127.0.0.1"},
		{"with a port", 1, []string{"203.0.113.7:4711"}, "203.0.113.7"},
		{"IPv6", 1, []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv6 with a port", 1, []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *gateway.Config) { c.TrustedHops = tt.hops })
			var header []string
			for _, h := range tt.forwarded {
				header = append(header, "X-Forwarded-For", h)
			}
			a := f.do("", http.MethodGet, api.PathKeys, nil, header...).want(t, http.StatusOK)
			if got := string(a.body); !strings.Contains(got, `"from":"`+tt.want+`"`) {
				t.Errorf("auth saw %s, want %s", got, tt.want)
			}
		})
	}
}
