package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// page is an error response of a proxy.
func page(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<html>%d", status)
	}
}

func answered(t *testing.T, h http.Handler) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func health(t *testing.T, h http.Handler) error {
	t.Helper()
	_, err := answered(t, h).Health(t.Context())
	return err
}

func TestForeignResponses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer http.Handler
		code   sx.Code
		text   string
	}{
		"sign-in page":       {page(200), sx.CodeForeign, "is not from a SoundExtract server (HTTP status 200)"},
		"not found":          {page(404), sx.CodeForeign, "is not from a SoundExtract server (404 Not Found)"},
		"network sign-in":    {page(511), sx.CodeForeign, "the network asks for a sign-in"},
		"method":             {page(405), sx.CodeBlocked, "does not allow GET requests (405 Method Not Allowed)"},
		"not implemented":    {page(501), sx.CodeBlocked, "does not allow GET requests (501 Not Implemented)"},
		"proxy's accounts":   {page(407), sx.CodeBlocked, "refuses the request (407 Proxy Authentication Required)"},
		"firewall":           {page(403), sx.CodeBlocked, "refuses the request (403 Forbidden)"},
		"size":               {page(413), sx.CodeTooLarge, "a proxy in front of 127.0.0.1"},
		"rate":               {page(429), sx.CodeTooManyAttempts, "a proxy in front of 127.0.0.1"},
		"no server behind":   {page(502), sx.CodeUnavailable, "cannot reach the server (502 Bad Gateway)"},
		"TLS is expected":    {http.HandlerFunc(httpsExpected), sx.CodeBlocked, "expects HTTPS"},
		"an unknown status":  {page(599), sx.CodeInternal, "responded with 599"},
		"JSON of another":    {http.HandlerFunc(otherJSON), sx.CodeForeign, "is not from a SoundExtract server"},
		"HEAD of the server": {http.HandlerFunc(ownStatus), sx.CodeNotFound, "the server responded with 404"},
	} {
		// The check before a sign-in says the same as any other request.
		for _, err := range []error{health(t, tt.answer), answered(t, tt.answer).Check(t.Context())} {
			if sx.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%s: got %v (%s)", name, err, sx.CodeOf(err))
			}
			response, ok := errors.AsType[*client.ResponseError](err)
			if !ok || response.Foreign != (name != "HEAD of the server") {
				t.Errorf("%s: the cause is %+v", name, response)
			}
			if tt.code != sx.CodeNotFound && tt.code != sx.CodeInternal && sx.AsError(err).Hint == "" {
				t.Errorf("%s: no hint", name)
			}
		}
	}
}

func httpsExpected(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "Client sent an HTTP request to an HTTPS server.", http.StatusBadRequest)
}

func otherJSON(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, `{"error":"no such page"}`, http.StatusNotFound)
}

func ownStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(api.HeaderRequestID, "x")
	w.WriteHeader(http.StatusNotFound)
}

func TestSuccessOfAnother(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(page(http.StatusOK))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(t.Context(), "abc"); !errors.Is(err, client.ErrForeign) {
		t.Errorf("a web page counts as removal: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"30": 30 * time.Second, "": 0, "soon": 0, "-5": 0, "999999999": 24 * time.Hour,
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat):    time.Hour,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):   0,
		time.Now().AddDate(99, 0, 0).UTC().Format(http.TimeFormat): 24 * time.Hour,
	} {
		least := want
		if strings.HasSuffix(value, "GMT") { // time passes until the response is read
			least -= testkit.Timeout
		}
		for name, answer := range map[string]func(http.ResponseWriter){
			"server": func(w http.ResponseWriter) { api.WriteError(w, sx.NewError(sx.CodeTooManyAttempts, "wait")) },
			"proxy":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) },
		} {
			err := health(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", value)
				answer(w)
			}))
			response, ok := errors.AsType[*client.ResponseError](err)
			if !ok || response.RetryAfter > want || response.RetryAfter < least {
				t.Errorf("%s, %q: got %v, %+v, want %s", name, value, err, response, want)
			}
		}
	}
}

func TestNetworkErrors(t *testing.T) {
	t.Parallel()
	secure := httptest.NewTLSServer(page(http.StatusOK))
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(page(http.StatusOK))
	t.Cleanup(plain.Close)
	closed := testkit.NoServer(t)
	old := httptest.NewUnstartedServer(page(http.StatusOK))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10} //nolint:gosec // refused, as it should be
	old.StartTLS()
	t.Cleanup(old.Close)
	proxy := func(u string) http.RoundTripper {
		return &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(u) }}
	}
	unknown := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}
	}}
	for name, tt := range map[string]struct {
		url       string
		transport http.RoundTripper
		want      client.NetworkError
		tls       bool
	}{
		"untrusted":  {secure.URL, nil, client.UntrustedAuthority, true},
		"other name": {strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), secure.Client().Transport, client.WrongCertificate, true},
		"no TLS":     {strings.Replace(plain.URL, "http:", "https:", 1), nil, client.PlainHTTP, true},
		"old TLS":    {old.URL, nil, client.TLSFailed, true},
		"refused":    {closed, nil, client.ConnectionRefused, false},
		"proxy":      {plain.URL, proxy(closed), client.ProxyFailed, false},
		"no host":    {"http://sound.invalid", unknown, client.UnknownHost, false},
	} {
		c, err := client.New(tt.url, &http.Client{Transport: tt.transport})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Health(t.Context())
		unreachable, ok := errors.AsType[*client.Unreachable](err)
		if !ok {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if kind := unreachable.Kind(); kind != tt.want || kind.IsTLS() != tt.tls || kind.String() == "" {
			t.Errorf("%s: got %d (%s) of %v", name, kind, kind, err)
		}
	}
}

func TestInvalidServer(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "127.0.0.1:8740", "ftp://127.0.0.1", "http://", "http://127.0.0.1:", "http://127.0.0.1:/x", "http://[::1"} {
		if _, err := client.New(base, http.DefaultClient); sx.CodeOf(err) != sx.CodeInvalid || sx.AsError(err).Hint == "" {
			t.Errorf("%q: got %v", base, err)
		}
	}
}
