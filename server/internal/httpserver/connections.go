package httpserver

import (
	"container/list"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// ClientConnections is a Server's MaxPerAddress for clients: many people may share an
// address, each with a few connections.
const ClientConnections = 256

const (
	// maxConnections and connectionMemory bound the memory of connections, in total and in
	// bytes: each may be sending a header of maxHeader bytes, or an upload.
	maxConnections   = 2048
	connectionMemory = 256 << 10
	// fullLogInterval is how often the log says that the limits are reached.
	fullLogInterval = time.Minute
)

// MaxConnections returns how many connections a server accepts by default that may use so
// many bytes of memory; 0 means that they are not limited.
func MaxConnections(memory int64) int {
	const least = 64
	if memory == 0 {
		return maxConnections
	}
	return int(min(maxConnections, max(least, memory/connectionMemory)))
}

// ClientKey returns what clients are counted by: the IPv4 address, or the /48 network of
// the IPv6 address, which one subscriber can have.
func ClientKey(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		return netip.PrefixFrom(addr, 48).Masked().String()
	}
	return addr.String()
}

// connections bounds the open connections. When there are too many, the one that has
// waited longest for its next request is closed. A connection that is still sending the
// header of a request counts as waiting, so that those that only pretend to send one are
// closed first.
type connections struct {
	total, perAddress int // perAddress may be 0 for no limit
	log               *slog.Logger

	mu      sync.Mutex
	open    map[net.Conn]*connection
	count   map[string]int // by connection.address
	waiting *list.List     // of net.Conn, the one that has waited the longest first
	logged  time.Time
	empty   chan struct{} // set by none
}

type connection struct {
	address string        // "" is not limited
	waiting *list.Element // nil during a request
	used    bool          // it has had a request
}

func newConnections(total, perAddress int, log *slog.Logger) *connections {
	return &connections{
		total: total, perAddress: perAddress, log: log,
		open: map[net.Conn]*connection{}, count: map[string]int{}, waiting: list.New(),
	}
}

// changed is the http.Server's ConnState.
func (l *connections) changed(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if state == http.StateNew {
		l.add(c)
		return
	}
	known, ok := l.open[c]
	if !ok {
		return // closed by add
	}
	switch state {
	case http.StateIdle:
		l.wait(c, known)
	case http.StateActive:
		known.used = true
		l.stopWaiting(known)
	default:
		l.remove(c, known)
	}
}

func (l *connections) wait(c net.Conn, known *connection) {
	if known.waiting == nil {
		known.waiting = l.waiting.PushBack(c)
	}
}

func (l *connections) stopWaiting(known *connection) {
	if known.waiting != nil {
		l.waiting.Remove(known.waiting)
		known.waiting = nil
	}
}

func (l *connections) add(c net.Conn) {
	added := &connection{}
	// Other processes of the machine are not limited: one may be a proxy.
	if from, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil && !from.Addr().IsLoopback() {
		added.address = ClientKey(from.Addr())
	}
	l.open[c] = added
	l.count[added.address]++
	l.wait(c, added)
	switch {
	case l.perAddress > 0 && added.address != "" && l.count[added.address] > l.perAddress:
		l.closeOne(func(c *connection) bool { return c.address == added.address })
	case len(l.open) > l.total:
		l.closeOne(func(*connection) bool { return true })
	}
}

// closeOne closes the first waiting connection that fits; the new one always waits.
func (l *connections) closeOne(fits func(*connection) bool) {
	for e := l.waiting.Front(); e != nil; e = e.Next() {
		c, _ := e.Value.(net.Conn)
		known := l.open[c]
		if !fits(known) {
			continue
		}
		l.remove(c, known)
		go func() { _ = c.Close() }() // with TLS it may block for some seconds
		if now := time.Now(); now.Sub(l.logged) >= fullLogInterval {
			l.logged = now
			l.log.Warn("too many connections; closing those that have waited longest", "open", len(l.open), "address", known.address)
		}
		return
	}
}

func (l *connections) remove(c net.Conn, known *connection) {
	l.stopWaiting(known)
	if l.count[known.address]--; l.count[known.address] == 0 {
		delete(l.count, known.address)
	}
	delete(l.open, c)
	l.closeEmpty()
}

// linger lets the closing of connections wait until the client has received what was sent,
// for at most that time; a negative one ends that. Without it, a response would be lost whose
// last bytes are still in the socket's buffer when the program's network disappears with its
// container.
func (l *connections) linger(atMost time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if t, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
			c = t.NetConn()
		}
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(int(atMost.Seconds())) // of a connection that is closed
		}
	}
}

// closeIdle closes the connections that wait for another request. The channel is closed when
// that is done.
func (l *connections) closeIdle() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	var group sync.WaitGroup
	for e := l.waiting.Front(); e != nil; e = e.Next() {
		if c, _ := e.Value.(net.Conn); l.open[c].used {
			group.Go(func() { _ = c.Close() })
		}
	}
	closed := make(chan struct{})
	go func() {
		group.Wait()
		close(closed)
	}()
	return closed
}

// none returns a channel that is closed once no connection is open. It is called once, when
// no new connection is accepted any more.
func (l *connections) none() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	empty := make(chan struct{})
	l.empty = empty
	l.closeEmpty()
	return empty
}

func (l *connections) closeEmpty() {
	if l.empty != nil && len(l.open) == 0 {
		close(l.empty)
		l.empty = nil
	}
}
