package httpserver_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/testkit"
)

// dial opens a connection to the server and sends text.
func (r *running) dial(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

func decoder(t *testing.T) http.HandlerFunc {
	t.Helper()
	log, _ := newLog(t, "info")
	return func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			A string `json:"a"`
		}
		if err := httpserver.Decode(w, r, &in); err != nil {
			httpserver.WriteError(r.Context(), w, log, err)
			return
		}
		_, _ = io.WriteString(w, in.A)
	}
}

const postHeader = "POST %s HTTP/1.1\r\nHost: sx\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"

// TestSlowBodies checks that requests whose bodies do not arrive are refused and closed
// in time, whether their handlers read them or not, while another client is served.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	const clients = 400
	var waiting sync.WaitGroup
	waiting.Add(clients)
	s := start(t, 0, func(mux *http.ServeMux) {
		decode := decoder(t)
		mux.HandleFunc("POST /read", func(w http.ResponseWriter, r *http.Request) {
			waiting.Done()
			decode(w, r)
		})
		mux.HandleFunc("POST /ignore", func(w http.ResponseWriter, _ *http.Request) {
			waiting.Done()
			w.WriteHeader(http.StatusUnauthorized)
		})
	}, func(s *httpserver.Server) { s.BodyTimeout = 2 * time.Second })
	var slow [clients]net.Conn
	for i := range slow {
		path := "/read"
		if i%4 == 0 {
			path = "/ignore"
		}
		slow[i] = s.dial(t, strings.Replace(postHeader, "%s", path, 1)+strings.Repeat("{", i%2))
	}
	waiting.Wait() // all of them are in their handlers
	start := time.Now()
	if status, _ := healthOf(t, s.url+api.PathHealth); status != http.StatusOK {
		t.Errorf("meanwhile: status %d", status)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("another client waited %v", took)
	}
	for i, c := range slow {
		raw, err := io.ReadAll(c) // to the end of the connection
		want := "HTTP/1.1 408 "
		if i%4 == 0 {
			want = "HTTP/1.1 401 "
		}
		if err != nil || !strings.HasPrefix(string(raw), want) || want == "HTTP/1.1 408 " && !strings.Contains(string(raw), `"code":"unavailable"`) {
			t.Fatalf("client %d got %q, error %v", i, raw, err)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("they were closed after %v", took)
	}
}

// TestBodiesThatAdvance checks that a body may take longer the longer it is, and that a
// finished one leaves no deadline behind, which would end the request's ctx.
func TestBodiesThatAdvance(t *testing.T) {
	t.Parallel()
	const timeout = 300 * time.Millisecond
	s := start(t, 0, func(mux *http.ServeMux) {
		mux.HandleFunc("POST /count", func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				t.Error(err)
			}
			select {
			case <-r.Context().Done():
				t.Error("the ctx has ended")
			case <-time.After(2 * timeout):
			}
			_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
		})
	}, func(s *httpserver.Server) { s.BodyTimeout = timeout })
	const half = 8 << 10 // bytes, worth two seconds
	c := s.dial(t, "POST /count HTTP/1.1\r\nHost: sx\r\nContent-Length: "+strconv.Itoa(2*half)+"\r\n\r\n"+strings.Repeat("a", half))
	if err := backoff.Sleep(t.Context(), 2*timeout); err != nil { // the client is slow
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, strings.Repeat("b", half)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if raw, err := io.ReadAll(res.Body); err != nil || string(raw) != strconv.Itoa(2*half) {
		t.Fatalf("got %q, error %v", raw, err)
	}
}

// TestHandlersSetReadDeadlines checks that a handler that sets read deadlines itself has
// no other deadline.
func TestHandlersSetReadDeadlines(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	s := start(t, 0, func(mux *http.ServeMux) {
		mux.HandleFunc("PATCH /upload", func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
				t.Error(err)
			}
			if _, err := io.Copy(w, r.Body); err != nil {
				t.Error(err)
			}
		})
	}, func(s *httpserver.Server) { s.BodyTimeout = timeout })
	c := s.dial(t, "PATCH /upload HTTP/1.1\r\nHost: sx\r\nContent-Length: 2\r\n\r\na")
	if err := backoff.Sleep(t.Context(), 3*timeout); err != nil { // the client is slow
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "b"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if raw, err := io.ReadAll(res.Body); err != nil || string(raw) != "ab" {
		t.Fatalf("got %q, error %v", raw, err)
	}
}
