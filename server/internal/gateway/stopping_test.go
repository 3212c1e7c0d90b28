package gateway_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestStopping stops a server while a request waits for the database, for longer than the
// server drains: the client is told to try again. A client that has closed the connection is
// no failure of the server's.
func TestStopping(t *testing.T) {
	t.Parallel()
	waiting := make(chan struct{}, 1)
	f := newFixture(t, func(c *gateway.Config) {
		c.Verify = func(ctx context.Context, _ string) (token.Claims, error) {
			waiting <- struct{}{}
			<-ctx.Done()
			return token.Claims{}, ctx.Err()
		}
	})
	stop := f.serve(time.Second)
	get := func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server.URL+api.PathJobs, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+alice)
		return f.client.Do(req)
	}

	leave, left := context.WithCancel(t.Context())
	go func() { <-waiting; left() }()
	if _, err := get(leave); err == nil {
		t.Error("a response to a client that has left")
	}
	testkit.Eventually(t, "status 499 in the log", func() bool { return strings.Contains(f.logs.String(), " status=499 ") })

	stopped := make(chan struct{})
	go func() { <-waiting; stop(); close(stopped) }()
	res, err := get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	var body api.ErrorBody
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusServiceUnavailable || body.Error.Code != sx.CodeUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("got %s, %+v, %v", res.Status, body, res.Header)
	}
	<-stopped
}

// serve serves the gateway as a program does until the test ends or stop is called, which
// drains for that time.
func (f *fixture) serve(drain time.Duration) (stop func()) {
	listener, err := new(net.ListenConfig).Listen(f.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.server.Close()
	f.server = &httptest.Server{URL: "http://" + listener.Addr().String()}
	log := f.updater.Log
	server := &httpserver.Server{
		Listener: listener, Handler: httpserver.Observe(f.gw.Handler(), log, httpserver.NewRegistry()),
		Health: httpserver.NewHealth(log, nil), Log: log, DrainTimeout: drain,
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(stop)
	return stop
}
