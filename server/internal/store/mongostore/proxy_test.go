package mongostore_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy is between a store and its MongoDB, and simulates network failures.
type proxy struct {
	uri    string
	server string

	mu       sync.Mutex
	open     map[net.Conn]bool
	seen     map[string]int // commands by "name collection"
	holds    string         // the command to hold,
	skips    int            // after that many others with its name
	held     chan struct{}  // closed when it has arrived
	resume   chan struct{}  // closed when it may be forwarded
	last     bool           // everything after it is dropped
	dropping bool           // everything is dropped
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	u, err := url.Parse(server)
	check(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	r := &proxy{server: u.Host, open: map[net.Conn]bool{}, seen: map[string]int{}}
	u.Host = l.Addr().String()
	r.uri = u.String()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(client)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		r.cut()
	})
	return r
}

func (r *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		_ = client.Close()
		return
	}
	r.mu.Lock()
	r.open[client], r.open[server] = true, true
	r.mu.Unlock()
	go r.pump(server, client, func([]byte) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !r.dropping
	})
	r.pump(client, server, func(message []byte) bool { return r.pass(nameOf(message)) })
}

func (r *proxy) pump(from, to net.Conn, passes func(message []byte) bool) {
	defer func() { _ = to.Close() }()
	for {
		message, err := readMessage(from)
		if err != nil {
			return
		}
		if !passes(message) {
			continue
		}
		if _, err := to.Write(message); err != nil {
			return
		}
	}
}

// pass counts the command and delays it if it is the one to hold. Commands after
// the last one are dropped.
func (r *proxy) pass(command string) bool {
	r.mu.Lock()
	if r.dropping {
		r.mu.Unlock()
		return false
	}
	r.seen[command]++
	var wait chan struct{}
	if r.holds == command {
		if r.skips--; r.skips < 0 {
			r.holds, wait = "", r.resume
			close(r.held)
		}
	}
	r.mu.Unlock()
	if wait == nil {
		return true
	}
	<-wait
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropping = r.last
	return true
}

// hold delays a command with that name, after the given number of others with it.
// held is closed when it has arrived; resume forwards it.
func (r *proxy) hold(command string, after int) (held <-chan struct{}, resume func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	forward := make(chan struct{})
	r.holds, r.skips, r.held, r.resume = command, after, make(chan struct{}), forward
	return r.held, sync.OnceFunc(func() { close(forward) })
}

// end drops all commands after the one that is held.
func (r *proxy) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = true
}

// count returns how often the command has arrived.
func (r *proxy) count(command string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[command]
}

// cut closes all connections; new ones are accepted.
func (r *proxy) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		_ = c.Close()
	}
	clear(r.open)
}

func readMessage(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.LittleEndian.Uint32(size[:]))
	copy(message, size[:])
	_, err := io.ReadFull(r, message[len(size):])
	return message, err
}

// nameOf returns the name of an OP_MSG request and its collection, which are the
// first element of its body: "insert videos.chunks".
func nameOf(message []byte) string {
	const firstKey, stringSize = 26, 4
	if len(message) < firstKey {
		return ""
	}
	name, rest, _ := bytes.Cut(message[firstKey:], []byte{0})
	if len(rest) < stringSize {
		return string(name)
	}
	collection, _, _ := bytes.Cut(rest[stringSize:], []byte{0})
	return string(name) + " " + string(collection)
}
