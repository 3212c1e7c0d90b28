package httpserver_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"testing"

	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/testkit"
)

// elsewhere is a listener whose connections seem to come from the given addresses.
type elsewhere struct {
	net.Listener
	from chan string // in the order of the connections
}

func (l elsewhere) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return addressed{c, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(<-l.from))}, nil
}

type addressed struct {
	net.Conn
	from net.Addr
}

func (c addressed) RemoteAddr() net.Addr { return c.from }

// held is a connection with a request in progress.
type held struct {
	net.Conn
	in *bufio.Reader
}

// request sends a request and returns whether it was answered.
func (h held) request(path string) bool {
	if _, err := io.WriteString(h, "GET "+path+" HTTP/1.1\r\nHost: sx\r\n\r\n"); err != nil {
		return false
	}
	return h.answered()
}

func (h held) answered() bool {
	res, err := http.ReadResponse(h.in, nil)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err == nil && res.Body.Close() == nil
}

// closed waits until the server has closed the connection. If it has not read all of a
// request, the client gets a reset.
func (h held) closed(t *testing.T) {
	t.Helper()
	if raw, err := io.ReadAll(h.in); err != nil && !errors.Is(err, syscall.ECONNRESET) || len(raw) > 0 {
		t.Fatalf("got %q, error %v, want a closed connection", raw, err)
	}
}

// TestConnectionLimits checks that when there are too many connections, the one that has
// waited longest is closed, and never one with a request.
// TestClientKey counts the addresses of one subscriber together.
func TestClientKey(t *testing.T) {
	t.Parallel()
	for address, same := range map[string]map[string]bool{
		"192.0.2.1":     {"192.0.2.2": false, "::ffff:192.0.2.1": true},
		"2001:db8:1::1": {"2001:db8:1:ffff::2": true, "2001:db8:2::1": false},
		"fe80::1%eth0":  {"fe80::1%eth1": true},
	} {
		for other, want := range same {
			if got := httpserver.ClientKey(netip.MustParseAddr(address)) == httpserver.ClientKey(netip.MustParseAddr(other)); got != want {
				t.Errorf("%s and %s are counted together: %v, want %v", address, other, got, want)
			}
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]struct {
		change func(*httpserver.Server)
		from   string
		other  string // where another connection comes from that is not counted
	}{
		"in total":             {func(s *httpserver.Server) { s.MaxConnections = 3 }, "127.0.0.1:1", ""},
		"per IPv4 address":     {func(s *httpserver.Server) { s.MaxPerAddress = 3 }, "192.0.2.1:1", "192.0.2.2:1"},
		"per IPv6 network":     {func(s *httpserver.Server) { s.MaxPerAddress = 3 }, "[2001:db8::1]:1", "[2001:db8:1::1]:1"},
		"not for this machine": {func(s *httpserver.Server) { s.MaxConnections, s.MaxPerAddress = 3, 1 }, "127.0.0.1:1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := make(chan string, 1)
			inside, release := make(chan struct{}), make(chan struct{})
			s := start(t, 0, func(mux *http.ServeMux) {
				mux.HandleFunc("GET /hold", func(http.ResponseWriter, *http.Request) { inside <- struct{}{}; <-release })
				mux.HandleFunc("GET /quick", func(http.ResponseWriter, *http.Request) {})
			}, limit.change, func(s *httpserver.Server) {
				s.Listener = elsewhere{s.Listener, from}
			})
			openFrom := func(address, text string) held {
				from <- address
				c := s.dial(t, text)
				return held{c, bufio.NewReader(c)}
			}
			open := func(text string) held { return openFrom(limit.from, text) }
			busy := open("GET /hold HTTP/1.1\r\nHost: sx\r\n\r\n")
			<-inside
			silent := open("")
			header := open("GET /slow HTTP/1.1\r\nHost: sx\r\n") // never ends
			if limit.other != "" {
				if !openFrom(limit.other, "").request("/quick") {
					t.Fatal("another client is not served")
				}
			}
			second := open("GET /hold HTTP/1.1\r\nHost: sx\r\n\r\n")
			<-inside
			third := open("GET /hold HTTP/1.1\r\nHost: sx\r\n\r\n")
			<-inside
			silent.closed(t) // and the next one, in the order in which they started to wait
			header.closed(t)
			refused := open("")
			refused.closed(t) // all others have requests
			close(release)
			for i, c := range []held{busy, second, third} {
				if !c.answered() {
					t.Errorf("request %d was not answered", i)
				}
			}
			// Clients have their responses shortly before the server counts them as idle.
			testkit.Eventually(t, "a new connection takes the place of an idle one", func() bool { return open("").request("/quick") })
			if got := s.log.Find(t, "too many connections; closing those that have waited longest"); len(got) != 1 {
				t.Errorf("logged %d times", len(got))
			}
		})
	}
}

func TestMaxConnections(t *testing.T) {
	t.Parallel()
	for memory, want := range map[int64]int{0: 2048, 1 << 40: 2048, 512 << 20: 2048, 256 << 20: 1024, 1: 64} {
		if got := httpserver.MaxConnections(memory); got != want {
			t.Errorf("%d bytes: %d connections, want %d", memory, got, want)
		}
	}
}
