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

// TestSignInsOfAnAccount signs in until no more sessions of the account may be stored.
func TestSignInsOfAnAccount(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.register(t, "ada")
	b.register(t, "bob")
	in := func(name string) error {
		b.clock.Advance(2 * time.Second) // which restores the attempt of the address
		_, err := b.Login(t.Context(), api.Credentials{Name: name, Password: password})
		return err
	}
	n := 0
	for ; n < 60; n++ {
		if err := in("ada"); err != nil {
			wantCode(t, err, sx.CodeTooManyAttempts)
			if !strings.Contains(err.Error(), "too many sign-ins") {
				t.Errorf("got %v", err)
			}
			break
		}
	}
	if want := 51; n != want { // one more each minute
		t.Errorf("%d sign-ins, want %d", n, want)
	}
	if err := in("bob"); err != nil {
		t.Errorf("another account: %v", err)
	}
	b.clock.Advance(time.Minute)
	if err := in("ada"); err != nil {
		t.Errorf("after the pause: %v", err)
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
		{"one subscriber has many IPv6 addresses", true, func(i int) string { return fmt.Sprintf("2001:db8:0:1::%x", i) }, "2001:db8:0:ffff::1", sx.CodeTooManyAttempts},
		{"another IPv6 network", true, func(i int) string { return fmt.Sprintf("2001:db8:0:1::%x", i) }, "2001:db8:1::1", sx.CodeBadCredentials},
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

// from returns a header that the gateway would write.
func from(address string) []string { return []string{"X-Forwarded-For", address} }

func trustForwarded(c *auth.Config) { c.TrustForwarded = true }

func (b *fixture) signIn(t *testing.T, name, address string) sx.Code {
	t.Helper()
	_, e := b.send(t, http.MethodPost, api.PathLogin, `{"name":"`+name+`","password":"`+password+`"}`, from(address)...)
	return e.Code
}

// TestStrangersDoNotLockTheOwnerOut attacks an account from as many networks as it
// takes to use up the attempts by name.
func TestStrangersDoNotLockTheOwnerOut(t *testing.T) {
	t.Parallel()
	b := start(t, trustForwarded)
	b.register(t, "ada")
	for _, home := range []string{"192.0.2.10", "2001:db8:7:1::1"} {
		if code := b.signIn(t, "ada", home); code != "" {
			t.Fatalf("from %s: %s", home, code)
		}
	}
	tokens, err := b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	// Attempts from one stranger's network do not affect another network, even a new one.
	for range 12 {
		b.try(t, "ada", from("203.0.113.1")...)
	}
	if _, e := b.try(t, "ada", from("203.0.113.99")...); e.Code != sx.CodeTooManyAttempts {
		t.Fatalf("the stranger's network: got %+v", e)
	}
	if _, e := b.try(t, "ada", from("198.51.100.7")...); e.Code != sx.CodeBadCredentials {
		t.Fatalf("another network: got %+v", e)
	}
	for i := range 100 {
		b.try(t, "ada", from(fmt.Sprintf("10.0.%d.1", i))...)
	}
	if code := b.signIn(t, "ada", "10.1.0.1"); code != sx.CodeTooManyAttempts {
		t.Fatalf("guessing from a hundred networks is not limited: %q", code)
	}
	// Another address of the same networks is known too.
	for _, home := range []string{"192.0.2.77", "2001:db8:7:2::9"} {
		if code := b.signIn(t, "ada", home); code != "" {
			t.Errorf("the owner is locked out at %s: %s", home, code)
		}
	}
	// Attempts from a known network are limited too, by that network.
	for range 10 {
		b.try(t, "ada", from("192.0.2.10")...)
	}
	if _, e := b.try(t, "ada", from("192.0.2.10")...); e.Code != sx.CodeTooManyAttempts {
		t.Errorf("guessing from a known network: got %+v", e)
	}
	// Attempts to change the password are counted separately from strangers' sign-ins.
	for range 60 {
		b.try(t, "ada")
	}
	if _, err := b.as(t, tokens.AccessToken).ChangePassword(t.Context(), api.PasswordChange{OldPassword: password, NewPassword: password + "!"}); err != nil {
		t.Errorf("change the password: %v", err)
	}
}

func TestKnownNetworks(t *testing.T) {
	t.Parallel()
	b := start(t, trustForwarded)
	b.register(t, "ada")
	networks := func() []sx.Network {
		u, err := b.store.Users.ByName(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		return u.Networks
	}
	for i := range 20 {
		b.clock.Advance(time.Hour)
		if code := b.signIn(t, "ada", fmt.Sprintf("10.0.%d.1", i)); code != "" {
			t.Fatal(code)
		}
	}
	got := networks()
	if len(got) != 10 || got[0].Prefix != "10.0.19.0/24" || got[9].Prefix != "10.0.10.0/24" {
		t.Fatalf("got %v, want the latest ten", got)
	}
	// One that has not been used for long is forgotten.
	b.clock.Advance(91 * 24 * time.Hour)
	for i := range 100 {
		b.try(t, "ada", from(fmt.Sprintf("10.1.%d.1", i))...)
	}
	if code := b.signIn(t, "ada", "10.0.19.1"); code != sx.CodeTooManyAttempts {
		t.Errorf("a network known 91 days ago: got %q", code)
	}
	b.clock.Advance(time.Hour)
	if code := b.signIn(t, "ada", "10.0.19.1"); code != "" {
		t.Fatal(code)
	}
	if got := networks(); len(got) != 1 {
		t.Errorf("got %v, want the one in use", got)
	}
}
