package auth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/sx"
)

// try makes an attempt that computes no hash, because the password is too long.
func (b *fixture) try(t *testing.T, name string, header ...string) (*http.Response, api.Error) {
	t.Helper()
	return b.send(t, http.MethodPost, api.PathLogin, `{"name":"`+name+`","password":"`+strings.Repeat("a", 1025)+`"}`, header...)
}

func TestAttemptsByName(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.register(t, "ada")
	for i := range 10 {
		if res, e := b.try(t, []string{"ada", "ADA"}[i%2]); e.Code != sx.CodeBadCredentials {
			t.Fatalf("attempt %d: got %d %+v", i, res.StatusCode, e)
		}
	}
	b.clock.Advance(2500 * time.Millisecond)
	for range 2 { // a refused attempt is not counted
		res, e := b.try(t, "ada")
		if res.StatusCode != http.StatusTooManyRequests || e.Code != sx.CodeTooManyAttempts || res.Header.Get("Retry-After") != "28" ||
			!strings.Contains(e.Message, "28s") || !strings.Contains(e.Hint, "28s") {
			t.Fatalf("got %d, Retry-After %q, %+v", res.StatusCode, res.Header.Get("Retry-After"), e)
		}
	}
	// Neither the right password nor registering bypasses the limit.
	_, err := b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeTooManyAttempts)
	_, err = b.Register(t.Context(), api.Credentials{Name: "ada", Password: password})
	wantCode(t, err, sx.CodeTooManyAttempts)
	// Other names and addresses are not affected.
	if _, e := b.try(t, "bob"); e.Code != sx.CodeBadCredentials {
		t.Fatalf("another name: got %+v", e)
	}
	b.clock.Advance(28 * time.Second)
	if _, err := b.Login(t.Context(), api.Credentials{Name: "ada", Password: password}); err != nil {
		t.Fatalf("after the pause: %v", err)
	}
	for i := range 10 { // success has restored all attempts
		if _, e := b.try(t, "ada"); e.Code != sx.CodeBadCredentials {
			t.Fatalf("attempt %d after success: got %+v", i, e)
		}
	}
	if _, e := b.try(t, "ada"); e.Code != sx.CodeTooManyAttempts {
		t.Fatalf("got %+v", e)
	}
	want := `
# HELP sx_auth_requests_total Requests to auth by action and result, which is an error code or ok.
# TYPE sx_auth_requests_total counter
sx_auth_requests_total{action="login",result="bad_credentials"} 21
sx_auth_requests_total{action="login",result="ok"} 1
sx_auth_requests_total{action="login",result="too_many_attempts"} 4
sx_auth_requests_total{action="register",result="ok"} 1
sx_auth_requests_total{action="register",result="too_many_attempts"} 1
`
	if err := testutil.GatherAndCompare(b.metrics, strings.NewReader(want), "sx_auth_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestAttemptsByAddress(t *testing.T) {
	t.Parallel()
	const (
		first  = "198.51.100.1"
		second = "198.51.100.2"
	)
	tests := []struct {
		name      string
		trust     bool
		exhaust   func(i int) string // the header of the attempts that exhaust the limit
		forwarded string
		want      sx.Code
	}{
		{"a client's header is ignored", false, func(i int) string { return fmt.Sprintf("198.51.100.%d", i) }, second, sx.CodeTooManyAttempts},
		{"the gateway's header is used", true, func(int) string { return first }, second, sx.CodeBadCredentials},
		{"and its address is limited", true, func(int) string { return first }, first, sx.CodeTooManyAttempts},
		{"only the last element counts", true, func(i int) string { return fmt.Sprintf("203.0.113.%d, %s", i, first) }, second + ", " + first, sx.CodeTooManyAttempts},
		{"one subscriber has many IPv6 addresses", true, func(i int) string { return fmt.Sprintf("2001:db8:0:1::%x", i) }, "2001:db8:0:1:ffff::1", sx.CodeTooManyAttempts},
		{"another IPv6 network", true, func(i int) string { return fmt.Sprintf("2001:db8:0:1::%x", i) }, "2001:db8:0:2::1", sx.CodeBadCredentials},
		{"IPv4 in IPv6", true, func(int) string { return "::ffff:" + first }, first, sx.CodeTooManyAttempts},
		{"no address", true, func(i int) string { return fmt.Sprintf("unknown%d", i) }, "_hidden", sx.CodeTooManyAttempts},
		{"without the header, the connection counts", true, func(int) string { return "" }, "127.0.0.1", sx.CodeTooManyAttempts},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, func(c *auth.Config) { c.TrustForwarded = tt.trust })
			for i := range 100 {
				if _, e := b.try(t, fmt.Sprintf("user%d", i), "X-Forwarded-For", tt.exhaust(i)); e.Code != sx.CodeBadCredentials {
					t.Fatalf("attempt %d: got %+v", i, e)
				}
			}
			res, e := b.try(t, "another", "X-Forwarded-For", tt.forwarded)
			if e.Code != tt.want {
				t.Fatalf("got %+v, want code %q", e, tt.want)
			}
			if after := res.Header.Get("Retry-After"); (tt.want == sx.CodeTooManyAttempts) != (after == "2") {
				t.Fatalf("got Retry-After %q", after)
			}
		})
	}
}
