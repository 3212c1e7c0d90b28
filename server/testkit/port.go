package testkit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports for servers that the tests start, stop and start again. Linux gives 32768 and
// above to outgoing connections and to listeners at port 0, macOS 49152 and above: one of
// those could take a port while its server is stopped. Kubernetes' node ports begin at
// 30000.
const firstPort, lastPort = 10_000, 29_999

var given = struct {
	sync.Mutex
	ports map[int]bool // never given twice by one process
}{ports: map[int]bool{}}

// FreePort returns a port of 127.0.0.1 that no other program takes while nothing listens
// on it, unless it requests exactly this port.
func FreePort() (int, error) {
	given.Lock()
	defer given.Unlock()
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if given.ports[port] {
			continue
		}
		l, busy := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if busy != nil {
			err = busy
			continue
		}
		given.ports[port] = true
		return port, l.Close()
	}
	return 0, errors.Join(errors.New("no free port found"), err)
}

// FreeAddr is FreePort as an address to listen at.
func FreeAddr() (string, error) {
	port, err := FreePort()
	return fmt.Sprintf("127.0.0.1:%d", port), err
}

// NoServer returns an HTTP URL at which nothing listens or will listen.
func NoServer(tb testing.TB) string {
	tb.Helper()
	addr, err := FreeAddr()
	if err != nil {
		tb.Fatal(err)
	}
	return "http://" + addr
}
