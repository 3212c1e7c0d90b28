package httpserver_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
)

// closeNotice is a request body that reports when it is closed.
type closeNotice struct {
	io.Reader
	closed chan struct{}
}

func (c closeNotice) Close() error { close(c.closed); return nil }

func TestHandlerTransport(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo/{id}", func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", strings.Join([]string{r.PathValue("id"), r.URL.RawQuery, r.Host, r.RemoteAddr, r.RequestURI, r.Header.Get("X-In")}, "|"))
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusTeapot)    // too late, as in a real server
		w.Header().Set("X-Late", "ignored") // too late as well
		_, _ = w.Write(raw)
	})
	mux.HandleFunc("GET /empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /text", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "text") })
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("ouch") })
	mux.HandleFunc("POST /hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done(); <-hold })
	rt := httpserver.HandlerTransport(mux)
	send := func(req *http.Request) (*http.Response, string) {
		t.Helper()
		res, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		if err != nil || res.Body.Close() != nil {
			t.Fatal(err)
		}
		return res, string(raw)
	}

	body := closeNotice{strings.NewReader("hello"), make(chan struct{})}
	req := newRequest(t, http.MethodPost, "http://auth/echo/7?q=1", body)
	req.Header.Set("X-In", "in")
	res, got := send(req)
	<-body.closed
	if res.StatusCode != http.StatusCreated || res.Status != "201 Created" || got != "hello" || res.ContentLength != 5 || res.Request != req {
		t.Errorf("got %+v, body %q", res, got)
	}
	if seen := res.Header.Get("X-Seen"); seen != "7|q=1|auth|127.0.0.1:0|/echo/7?q=1|in" || res.Header.Get("X-Late") != "" {
		t.Errorf("the handler saw %q, header %v", seen, res.Header)
	}
	if res, got := send(newRequest(t, http.MethodGet, "http://auth/empty", nil)); res.StatusCode != http.StatusOK || got != "" {
		t.Errorf("got %d %q", res.StatusCode, got)
	}
	if res, got := send(newRequest(t, http.MethodHead, "http://auth/text", nil)); res.StatusCode != http.StatusOK || got != "" {
		t.Errorf("HEAD: got %d %q", res.StatusCode, got)
	}
	if _, err := rt.RoundTrip(newRequest(t, http.MethodGet, "http://auth/panic", nil)); err == nil || !strings.Contains(err.Error(), "ouch") {
		t.Errorf("a panic returned %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	held := closeNotice{strings.NewReader("x"), make(chan struct{})}
	req = newRequest(t, http.MethodPost, "http://auth/hang", held).WithContext(ctx)
	cancelled := make(chan error, 1)
	go func() {
		_, err := rt.RoundTrip(req)
		cancelled <- err
	}()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	close(hold)
	<-held.closed
	unused := closeNotice{strings.NewReader("x"), make(chan struct{})}
	if _, err := rt.RoundTrip(newRequest(t, http.MethodPost, "http://auth/hang", unused).WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	<-unused.closed
}

// TestHandlerTransportUnderTheClient checks that the API's client works over
// it.
func TestHandlerTransportUnderTheClient(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+api.PathLogin, func(w http.ResponseWriter, _ *http.Request) {
		api.WriteError(w, sx.NewError(sx.CodeBadCredentials, "no"))
	})
	c, err := client.New("http://auth", &http.Client{Transport: httpserver.HandlerTransport(mux)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Login(t.Context(), api.Credentials{}); sx.CodeOf(err) != sx.CodeBadCredentials {
		t.Fatalf("got %v", err)
	}
}
