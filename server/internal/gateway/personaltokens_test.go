package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// exchanges is a fake auth that only exchanges personal tokens.
type exchanges struct {
	count  atomic.Int32
	answer atomic.Value // func(http.ResponseWriter)
}

func (e *exchanges) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.count.Add(1)
	if r.Method != http.MethodPost || r.URL.Path != api.PathExchange {
		http.NotFound(w, r)
		return
	}
	answer, _ := e.answer.Load().(func(http.ResponseWriter))
	answer(w)
}

// accepts returns an access token of the user.
func accepts(user string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { api.Write(w, http.StatusOK, api.Exchanged{AccessToken: user}) }
}

func refuses(code sx.Code) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { api.WriteError(w, sx.NewError(code, "no")) }
}

func newExchanges(t *testing.T) (*exchanges, *fixture) {
	t.Helper()
	e := &exchanges{}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return e, newFixture(t, func(c *gateway.Config) { c.AuthURL, c.TrustedHops = u, 1 })
}

var (
	script      = token.NewSecret(api.TokenPrefix, sx.NewID())
	otherScript = token.NewSecret(api.TokenPrefix, sx.NewID())
)

// mistyped changes one character of the secret part of a token.
func mistyped(raw string) string {
	other := "a"
	if raw[25] == 'a' {
		other = "b"
	}
	return raw[:25] + other + raw[26:]
}

func TestMalformedTokensAreNotExchanged(t *testing.T) {
	t.Parallel()
	e, f := newExchanges(t)
	e.answer.Store(accepts(alice))
	for _, raw := range []string{"sxp_", script + "a", script[:len(script)-1], "sxp_" + strings.Repeat("a", 30<<10), strings.ToUpper(script), "sxp_" + strings.Repeat("1", 48), "sxp_" + strings.Repeat("a", 48), mistyped(script)} {
		f.do(raw, http.MethodGet, api.PathJobs, nil).want(t, http.StatusUnauthorized)
	}
	if n := e.count.Load(); n != 0 {
		t.Errorf("auth was asked %d times", n)
	}
}

// TestUnknownTokensAreLimited checks that one address can have only a limited number of
// unknown tokens exchanged, that the token of another program at the address still works,
// and that other addresses are not affected.
func TestUnknownTokensAreLimited(t *testing.T) {
	t.Parallel()
	e, f := newExchanges(t)
	forwarded := []string{"X-Forwarded-For", "192.0.2.1"}
	e.answer.Store(accepts(alice))
	f.do(script, http.MethodGet, api.PathJobs, nil, forwarded...).want(t, http.StatusOK)
	e.answer.Store(refuses(sx.CodeUnauthenticated))
	before := e.count.Load()
	for i := range 200 {
		path := []string{api.PathJobs, api.PathMe}[i%2] // verified by the gateway or by auth
		a := f.do(token.NewSecret(api.TokenPrefix, sx.NewID()), http.MethodGet, path, nil, forwarded...)
		if i < 30 {
			a.want(t, http.StatusUnauthorized)
			continue
		}
		if a.wantCode(t, sx.CodeTooManyAttempts); a.header.Get("Retry-After") != "2" {
			t.Fatalf("Retry-After: %q", a.header.Get("Retry-After"))
		}
	}
	if n := e.count.Load() - before; n != 30 {
		t.Errorf("auth was asked %d times", n)
	}
	e.answer.Store(accepts(alice))
	f.clock.Advance(time.Minute + time.Second) // the token is exchanged again
	for range 200 {
		e.answer.Store(refuses(sx.CodeUnauthenticated))
		if f.do(token.NewSecret(api.TokenPrefix, sx.NewID()), http.MethodGet, api.PathJobs, nil, forwarded...).status == http.StatusTooManyRequests {
			break
		}
	}
	e.answer.Store(accepts(alice))
	f.do(script, http.MethodGet, api.PathJobs, nil, forwarded...).want(t, http.StatusOK)
	f.do(otherScript, http.MethodGet, api.PathJobs, nil, forwarded...).wantCode(t, sx.CodeTooManyAttempts)
	f.do(otherScript, http.MethodGet, api.PathJobs, nil, "X-Forwarded-For", "192.0.2.2").want(t, http.StatusOK)
}

func TestPersonalTokenIsCached(t *testing.T) {
	t.Parallel()
	e, f := newExchanges(t)
	e.answer.Store(accepts(alice))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { f.do(script, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK) })
	}
	group.Wait()
	f.clock.Advance(59 * time.Second)
	f.do(script, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK)
	if n := e.count.Load(); n != 1 {
		t.Errorf("exchanged %d times in a minute", n)
	}
	// A revoked token is refused a minute after the last exchange at the
	// latest.
	e.answer.Store(refuses(sx.CodeUnauthenticated))
	f.clock.Advance(time.Second)
	a := f.do(script, http.MethodGet, api.PathJobs, nil).want(t, http.StatusUnauthorized)
	if got := a.errorBody(t).Code; got != sx.CodeUnauthenticated {
		t.Errorf("got code %s", got)
	}
	before := e.count.Load()
	f.do(script, http.MethodGet, api.PathJobs, nil).want(t, http.StatusUnauthorized)
	if n := e.count.Load(); n != before {
		t.Error("a refused token is exchanged again immediately")
	}
}

func TestPersonalTokensIdentifyTheirUsers(t *testing.T) {
	t.Parallel()
	e, f := newExchanges(t)
	e.answer.Store(accepts(alice))
	f.do(script, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK)
	e.answer.Store(accepts(bob))
	f.do(otherScript, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK)
	if n := e.count.Load(); n != 2 {
		t.Errorf("two tokens were exchanged %d times", n)
	}
}

func TestPersonalTokensWithAuthUnavailable(t *testing.T) {
	t.Parallel()
	e, f := newExchanges(t)
	for name, answer := range map[string]func(http.ResponseWriter){
		"an internal error":         refuses(sx.CodeInternal),
		"another server's response": func(w http.ResponseWriter) { _, _ = fmt.Fprint(w, "<html>") },
		"a truncated response":      func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); _, _ = fmt.Fprint(w, "{") },
		"a broken connection":       func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		e.answer.Store(answer)
		a := f.do(script, http.MethodGet, api.PathJobs, nil).want(t, http.StatusServiceUnavailable)
		if got := a.errorBody(t); got.Code != sx.CodeUnavailable || strings.Contains(got.Message, "html") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// An access token that auth did not sign is refused.
	e.answer.Store(accepts("mallory"))
	f.do(script, http.MethodGet, api.PathJobs, nil).want(t, http.StatusUnauthorized)
	// A failure is not cached.
	e.answer.Store(accepts(alice))
	f.do(otherScript, http.MethodGet, api.PathJobs, nil).want(t, http.StatusOK)
}
