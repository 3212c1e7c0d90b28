package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

var browserSecret = token.NewSecret(api.BrowserPrefix, sx.NewID())

// newBrowserFixture is a gateway whose auth exchanges any secret for alice's token, and
// answers all else as if a browser had signed in.
func newBrowserFixture(t *testing.T, change func(*gateway.Config)) *fixture {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == api.PathExchange {
			api.Write(w, http.StatusOK, api.Exchanged{AccessToken: alice})
			return
		}
		if got := r.Header.Get("Cookie"); got != "" {
			t.Errorf("auth got the cookie %q", got)
		}
		secret := browserSecret
		if r.URL.Path == api.PathLogout {
			secret = ""
		}
		w.Header().Set(api.HeaderBrowserSession, secret)
		api.Write(w, http.StatusOK, api.BrowserSession{User: api.User{ID: "a", Name: r.Header.Get("Authorization")}})
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *gateway.Config) {
		c.AuthURL, c.TrustedHops = u, 1
		if change != nil {
			change(c)
		}
	})
	f.client = &http.Client{} // not all of these responses are in the document
	return f
}

// origin is the page's own.
func (f *fixture) origin() string { return f.server.URL }

// cookie returns the header of a signed-in browser.
func (f *fixture) cookie() string {
	_, port, _ := strings.Cut(strings.TrimPrefix(f.server.URL, "http://"), ":")
	return "sx-session-" + port + "=" + browserSecret
}

func TestCookieOfSignIn(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, nil)
	const signIn = `{"name":"alice","password":"correct horse"}`
	login := func(headers ...string) *http.Cookie {
		t.Helper()
		a := f.do("", http.MethodPost, api.PathLogin, strings.NewReader(signIn), append(headers, "Content-Type", "application/json")...)
		if a.header.Get(api.HeaderBrowserSession) != "" || strings.Contains(string(a.body), browserSecret) {
			t.Error("a script can read the secret")
		}
		cookies := (&http.Response{Header: a.header}).Cookies()
		if len(cookies) == 0 {
			return nil
		}
		return cookies[0]
	}
	if c := login(); c != nil {
		t.Errorf("a program got the cookie %v", c)
	}
	plain := login(api.HeaderBrowser, "1", "Origin", f.origin(), "Sec-Fetch-Site", "same-origin")
	if plain == nil || plain.Value != browserSecret || !plain.HttpOnly || plain.SameSite != http.SameSiteStrictMode || plain.Path != "/" || plain.Domain != "" || plain.Secure || f.cookie() != plain.Name+"="+plain.Value {
		t.Errorf("over HTTP: %v", plain)
	}
	secure := login(api.HeaderBrowser, "1", "Origin", "https://sx.example.org", "Sec-Fetch-Site", "same-origin")
	if secure == nil || secure.Name != "__Host-sx-session" || !secure.Secure || !secure.HttpOnly || secure.SameSite != http.SameSiteStrictMode || secure.Path != "/" || secure.Domain != "" {
		t.Errorf("over TLS: %v", secure)
	}
	a := f.do("", http.MethodPost, api.PathLogout, strings.NewReader("{}"), api.HeaderBrowser, "1", "Cookie", f.cookie())
	if c := (&http.Response{Header: a.header}).Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("signing out sets %v", c)
	}
	// A cookie from before the server had TLS does not outlive a sign-in or a sign-out.
	for _, path := range []string{api.PathLogin, api.PathLogout} {
		a := f.do("", http.MethodPost, path, strings.NewReader(signIn), "Content-Type", "application/json",
			api.HeaderBrowser, "1", "Origin", "https://sx.example.org", "Sec-Fetch-Site", "same-origin",
			"Cookie", f.cookie()+"; __Host-sx-session="+browserSecret)
		c := (&http.Response{Header: a.header}).Cookies()
		if len(c) != 2 || c[0].Name != "__Host-sx-session" || c[1].Name != plain.Name || c[1].MaxAge >= 0 || c[1].Value != "" {
			t.Errorf("%s sets %v", path, c)
		}
	}
}

// TestRequestsOfBrowsers checks which requests a cookie authenticates. Those that another
// site can cause are refused, and change nothing.
func TestRequestsOfBrowsers(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, nil)
	marked := []string{api.HeaderBrowser, "1", "Sec-Fetch-Site", "same-origin"}
	for _, tt := range []struct {
		name, method string
		headers      []string
		status       int
	}{
		{"the page reads", http.MethodGet, marked, 200},
		{"a player or a link reads", http.MethodGet, []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"a person types the address", http.MethodGet, []string{"Sec-Fetch-Site", "none"}, 200},
		{"an old browser reads", http.MethodGet, nil, 200},
		{"another site reads", http.MethodGet, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another port of the host reads", http.MethodGet, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"the page changes", http.MethodPost, marked, 404}, // there is no such job
		{"a form of the page's origin changes", http.MethodPost, []string{"Sec-Fetch-Site", "same-origin"}, 403},
		{"another site changes", http.MethodPost, []string{api.HeaderBrowser, "1", "Sec-Fetch-Site", "cross-site"}, 403},
		{"another port of the host changes", http.MethodPost, []string{api.HeaderBrowser, "1", "Sec-Fetch-Site", "same-site"}, 403},
		{"another origin changes, in an old browser", http.MethodPost, []string{api.HeaderBrowser, "1", "Origin", "http://127.0.0.1:1"}, 403},
		{"a sandboxed frame changes", http.MethodPost, []string{api.HeaderBrowser, "1", "Origin", "null"}, 403},
		{"the page changes, in an old browser", http.MethodPost, []string{api.HeaderBrowser, "1", "Origin", f.origin()}, 404},
	} {
		path := api.PathJobs
		if tt.method == http.MethodPost {
			path = "/v1/jobs/none/cancel"
		}
		if a := f.do("", tt.method, path, nil, append(tt.headers, "Cookie", f.cookie())...); a.status != tt.status {
			t.Errorf("%s: status %d, want %d: %s", tt.name, a.status, tt.status, a.body)
		}
	}
}

// TestCookieAndTokens checks that each request has one credential, and that a cookie's secret is
// of no use elsewhere.
func TestCookieAndTokens(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, nil)
	// A token is used as if there were no cookie: no header is needed, and any origin may.
	f.do(bob, http.MethodPost, "/v1/jobs/none/cancel", nil, "Cookie", f.cookie(), "Sec-Fetch-Site", "cross-site").wantCode(t, sx.CodeNotFound)
	f.do("wrong", http.MethodGet, api.PathJobs, nil, "Cookie", f.cookie()).wantCode(t, sx.CodeUnauthenticated)
	f.do(browserSecret, http.MethodGet, api.PathJobs, nil).wantCode(t, sx.CodeUnauthenticated)
	_, port, _ := strings.Cut(f.cookie(), "-session-")
	for what, cookie := range map[string]string{
		"of another port":       "sx-session-1=" + browserSecret,
		"without a port":        "sx-session=" + browserSecret,
		"a personal token":      "sx-session-" + strings.Split(port, "=")[0] + "=" + script,
		"an incomplete secret":  f.cookie()[:len(f.cookie())-1],
		"plain, sent over TLS":  f.cookie() + "; x=y",
		"of another's host, no": "session=" + browserSecret,
	} {
		headers := []string{"Cookie", cookie}
		if strings.Contains(what, "TLS") {
			headers = append(headers, "X-Forwarded-Proto", "https")
		}
		if a := f.do("", http.MethodGet, api.PathJobs, nil, headers...); a.status != http.StatusUnauthorized {
			t.Errorf("a cookie %s: status %d", what, a.status)
		}
	}
	f.do("", http.MethodGet, api.PathJobs, nil, "Cookie", "__Host-sx-session="+browserSecret, "X-Forwarded-Proto", "https").want(t, http.StatusOK)
}

// TestPrivateResponses checks that nothing private is kept in caches that others use, shown in
// frames, or read by other origins.
func TestPrivateResponses(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, nil)
	id := f.upload(alice, "talk.wav", []byte("RIFF\x00\x00\x00\x00WAVEfmt "))
	f.convert(id, []byte("an MP3"))
	for path, cache := range map[string]string{
		api.PathJobs: "no-store", "/v1/jobs/" + id: "no-store", api.PathUsage: "no-store",
		"/v1/jobs/" + id + "/tracks/1": "private, no-cache", api.PathEvents + "?id=" + id: "private, no-store",
		"/v1/jobs/none": "no-store",
	} {
		a := f.do("", http.MethodGet, path, nil, "Cookie", f.cookie(), "Sec-Fetch-Site", "same-origin")
		for name, want := range map[string]string{
			"Cache-Control": cache, "X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
			"Access-Control-Allow-Origin": "", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

// TestNoOpenRedirects checks that no path makes the server redirect a browser to another
// site.
func TestNoOpenRedirects(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, nil)
	f.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"//evil.example", "//evil.example/%2e%2e", "/\\evil.example", "/page//evil.example/", "/page/..//evil.example", "/?to=https://evil.example", "/page/main.js/../..//evil.example"} {
		a := f.do("", http.MethodGet, path, nil)
		if to, err := url.Parse(a.header.Get("Location")); err != nil || to.Host != "" || strings.HasPrefix(to.Path, "//") {
			t.Errorf("%s redirects to %s", path, a.header.Get("Location"))
		}
	}
}
