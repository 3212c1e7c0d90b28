package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/testkit"
)

// running is a running Server.
type running struct {
	url    string
	health *httpserver.Health
	log    *testkit.LogBuffer
	stop   context.CancelFunc
	ended  chan error
}

func start(t *testing.T, drain time.Duration, fill func(mux *http.ServeMux), change ...func(*httpserver.Server)) *running {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log, out := newLog(t, "debug")
	health := httpserver.NewHealth(log, nil)
	mux := http.NewServeMux()
	health.Mount(mux, httpserver.NewRegistry())
	fill(mux)
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{url: "http://" + l.Addr().String(), health: health, log: out, stop: cancel, ended: make(chan error, 1)}
	srv := &httpserver.Server{
		Listener: l, Handler: httpserver.Observe(mux, log, httpserver.NewRegistry()), Health: health, Log: log, DrainTimeout: drain,
	}
	for _, c := range change {
		c(srv)
	}
	go func() { r.ended <- srv.Run(ctx) }()
	t.Cleanup(cancel)
	return r
}

// wait waits until the Server has stopped and returns the time since start.
func (r *running) wait(t *testing.T, start time.Time) time.Duration {
	t.Helper()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server did not stop")
	}
	return time.Since(start)
}

func TestServerServesAndStops(t *testing.T) {
	t.Parallel()
	s := start(t, 0, func(*http.ServeMux) {})
	if status, _ := healthOf(t, s.url+api.PathReady); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	start := time.Now()
	s.stop()
	if took := s.wait(t, start); took > 10*time.Second {
		t.Fatalf("an idle server took %v to end", took)
	}
	if res, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodGet, s.url, nil)); err == nil {
		_ = res.Body.Close()
		t.Fatal("it still responds")
	}
}

// TestDrainLetsShortRequestsEnd checks that a running request gets its response
// although no new connection is accepted.
func TestDrainLetsShortRequestsEnd(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	s := start(t, 0, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /short", func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-release
			if err := r.Context().Err(); err != nil {
				t.Errorf("cancelled immediately: %v", err)
			}
			_, _ = io.WriteString(w, "done")
		})
	})
	answered := make(chan string, 1)
	go func() {
		_, body := get(t, s.url+"/short")
		answered <- body
	}()
	<-started
	s.stop()
	testkit.Eventually(t, "closed listener", func() bool {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	close(release)
	if got := <-answered; got != "done" {
		t.Fatalf("got %q", got)
	}
	s.wait(t, time.Now())
}

// TestDrainEndsStreams checks that draining ends an event stream, which never ends by
// itself, while another request continues.
func TestDrainEndsStreams(t *testing.T) {
	t.Parallel()
	cause, started, release := make(chan error, 1), make(chan struct{}), make(chan struct{})
	s := start(t, time.Minute, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, ": hello\n")
			_ = http.NewResponseController(w).Flush()
			ctx, stop := httpserver.Resumable(r.Context())
			defer stop()
			<-ctx.Done()
			cause <- context.Cause(ctx)
			_, _ = io.WriteString(w, ": bye\n")
		})
		mux.HandleFunc("POST /long", func(_ http.ResponseWriter, r *http.Request) {
			close(started)
			<-release
			if err := r.Context().Err(); err != nil {
				t.Errorf("cancelled: %v", err)
			}
		})
	})
	answered := make(chan int, 1)
	go func() {
		if res, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodPost, s.url+"/long", nil)); err == nil {
			_ = res.Body.Close()
			answered <- res.StatusCode
		}
		close(answered)
	}()
	<-started
	res, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodGet, s.url+"/events", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	in := bufio.NewReader(res.Body)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s.stop()
	if rest, err := io.ReadAll(in); err != nil || string(rest) != ": bye\n" {
		t.Fatalf("got %q, error %v: the stream did not end cleanly", rest, err)
	}
	if err := <-cause; !errors.Is(err, http.ErrServerClosed) {
		t.Fatalf("got cause %v", err)
	}
	close(release)
	if status := <-answered; status != http.StatusOK {
		t.Fatalf("the other request got status %d", status)
	}
	if took := s.wait(t, start); took > 10*time.Second {
		t.Fatalf("it took %v", took)
	}
}

// TestDrainUsesUpConnections checks that a client gets one more response on a connection
// that it keeps open, which tells it to use another one.
func TestDrainUsesUpConnections(t *testing.T) {
	t.Parallel()
	s := start(t, time.Minute, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /empty", func(http.ResponseWriter, *http.Request) {})
	})
	const request = "GET /empty HTTP/1.1\r\nHost: sx\r\n\r\n"
	c := s.dial(t, request)
	in := bufio.NewReader(c)
	last := func() bool {
		t.Helper()
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.Close
	}
	if last() {
		t.Fatal("the connection cannot be used again")
	}
	s.stop()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if !last() {
		t.Error("the client may use the connection again")
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	s.wait(t, time.Now())
}

// slowBody is a body that has some bytes and then blocks.
type slowBody struct {
	first string
	ctx   context.Context
}

func (b *slowBody) Read(p []byte) (int, error) {
	n := copy(p, b.first)
	if b.first = b.first[n:]; n > 0 {
		return n, nil
	}
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

// TestDrainEndsUploads checks that shortly before the end of the drain an upload that waits
// for its client's next byte ends and stores the bytes it has received.
func TestDrainEndsUploads(t *testing.T) {
	t.Parallel()
	type stored struct {
		bytes string
		err   error
	}
	got, started := make(chan stored, 1), make(chan struct{})
	s := start(t, 2*time.Second, func(mux *http.ServeMux) {
		mux.HandleFunc("PATCH /upload", func(w http.ResponseWriter, r *http.Request) {
			var st stored
			five := make([]byte, 5)
			_, _ = io.ReadFull(r.Body, five)
			close(started)
			_, st.err = io.ReadAll(r.Body)
			st.bytes = string(five)
			got <- st
			w.WriteHeader(http.StatusServiceUnavailable)
		})
	})
	go func() {
		req := newRequest(t, http.MethodPatch, s.url+"/upload", &slowBody{first: "hello", ctx: t.Context()})
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-started
	start := time.Now()
	s.stop()
	st := <-got
	if st.bytes != "hello" || !errors.Is(st.err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %+v", st)
	}
	if took := s.wait(t, start); took > 10*time.Second {
		t.Fatalf("it took %v", took)
	}
}

// TestDrainEndsUploadsThatMoveDeadlines covers a handler that extends the read
// deadline after each read, which overrides the deadline by which the server
// ends reading.
func TestDrainEndsUploadsThatMoveDeadlines(t *testing.T) {
	t.Parallel()
	got, started := make(chan error, 1), make(chan struct{})
	s := start(t, 2*time.Second, func(mux *http.ServeMux) {
		mux.HandleFunc("PATCH /upload", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, 5))
			close(started)
			<-r.Context().Done()
			if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
			_, err := r.Body.Read(make([]byte, 1))
			got <- err
		})
	})
	go func() {
		req := newRequest(t, http.MethodPatch, s.url+"/upload", &slowBody{first: "hello", ctx: t.Context()})
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-started
	start := time.Now()
	s.stop()
	if took := s.wait(t, start); took > 10*time.Second {
		t.Fatalf("it took %v", took)
	}
	if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

// TestDrainWaitsForTheClient checks that responses have arrived before the server ends: with
// a container, its network ends too.
func TestDrainWaitsForTheClient(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("closing a connection does not wait on this system")
	}
	for _, when := range []string{"before the drain", "when it begins", "later"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			drainWaits(t, when)
		})
	}
}

// drainWaits lets handlers respond before the drain, when it begins or later.
func drainWaits(t *testing.T, when string) {
	t.Helper()
	const clients = 3
	const size = 256 << 10 // fits into the buffer of the server, but not into the client's
	entered, later, sent := make(chan struct{}, clients), make(chan struct{}), make(chan struct{}, clients)
	s := start(t, time.Minute, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /short", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("GET /long", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			ctx, end := httpserver.Resumable(r.Context())
			defer end()
			entered <- struct{}{}
			switch when {
			case "when it begins":
				<-ctx.Done()
			case "later":
				_ = http.NewResponseController(w).Flush() // the client may keep the connection
				<-later
			}
			_, _ = w.Write(make([]byte, size))
			sent <- struct{}{}
		})
	}, func(s *httpserver.Server) { s.Listener = bufferingListener{s.Listener, size} })
	idle := s.dial(t, "GET /short HTTP/1.1\r\nHost: sx\r\n\r\n")
	responses := bufio.NewReader(idle)
	if _, err := http.ReadResponse(responses, nil); err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for range clients {
		c := s.dial(t, "")
		if err := c.(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "GET /long HTTP/1.1\r\nHost: sx\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-entered
		conns = append(conns, c)
	}
	if when != "before the drain" {
		s.stop()
	}
	if when == "later" {
		if _, err := responses.ReadByte(); !errors.Is(err, io.EOF) { // idle connections are closed
			t.Fatal(err)
		}
		close(later)
	}
	for range clients {
		<-sent
	}
	s.stop()
	select {
	case err := <-s.ended:
		t.Fatalf("Run has returned before the clients have received anything (error %v)", err)
	case <-time.After(3 * time.Second):
	}
	for _, c := range conns {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
			t.Errorf("got %d bytes, error %v", n, err)
		}
		_ = res.Body.Close()
	}
	s.wait(t, time.Now())
}

// bufferingListener accepts connections that can buffer so many bytes for their clients.
type bufferingListener struct {
	net.Listener

	size int
}

func (l bufferingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		err = errors.Join(err, tcp.SetWriteBuffer(l.size))
	}
	return c, err
}

// TestDrainHasADeadline checks that the connection of a handler that ignores
// its ctx is closed, and that the server waits for the handler while it stores.
func TestDrainHasADeadline(t *testing.T) {
	t.Parallel()
	started, cut, stored := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := start(t, 50*time.Millisecond, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /write", func(w http.ResponseWriter, _ *http.Request) {
			close(started)
			block := make([]byte, 1<<20)
			for {
				if _, err := w.Write(block); err != nil {
					break
				}
			}
			close(cut)
			<-stored
		})
	})
	res, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodGet, s.url+"/write", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	<-started
	s.stop()
	<-cut
	select {
	case err := <-s.ended:
		t.Fatalf("Run has returned while a handler was storing (error %v)", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(stored)
	s.wait(t, time.Now())
	if status := s.log.Find(t, "handlers still running"); len(status) != 0 {
		t.Fatalf("got %v", status)
	}
}

func TestDrainGivesUpOnAHangingHandler(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	s := start(t, 50*time.Millisecond, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /deaf", func(http.ResponseWriter, *http.Request) { close(started); <-release })
	})
	go func() {
		if res, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodGet, s.url+"/deaf", nil)); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-started
	s.stop()
	s.wait(t, time.Now())
	close(release)
	if got := s.log.Find(t, "handlers still running"); len(got) != 1 {
		t.Fatalf("got %v", got)
	}
}

// TestWriteErrorWhileDraining checks the response of a handler whose store call
// takes longer than the drain.
func TestWriteErrorWhileDraining(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	s := start(t, 2*time.Second, func(mux *http.ServeMux) {
		log, _ := newLog(t, "info")
		mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-r.Context().Done()
			httpserver.WriteError(r.Context(), w, log, r.Context().Err())
		})
	})
	answered := make(chan *http.Response, 1)
	bodies := make(chan string, 1)
	go func() {
		res, body := get(t, s.url+"/slow")
		answered <- res
		bodies <- body
	}()
	<-started
	s.stop()
	wantError(t, <-answered, <-bodies, http.StatusServiceUnavailable, "unavailable")
	s.wait(t, time.Now())
}

func TestServerFails(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	log, _ := newLog(t, "info")
	srv := &httpserver.Server{Listener: l, Handler: http.NotFoundHandler(), Health: httpserver.NewHealth(log, nil), Log: log}
	if err := srv.Run(t.Context()); !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Fatalf("got %v", err)
	}
}
