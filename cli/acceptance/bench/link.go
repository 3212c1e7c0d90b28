package main

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// link is a slow network between sx and a server: a proxy on the loopback interface.
type link struct {
	rate  int           // bytes per second upwards; downwards there is no limit
	delay time.Duration // upwards
	// During an outage nothing passes. If breaks is set, connections end as it begins,
	// and new ones end at once.
	outages outages
	breaks  bool

	listener net.Listener
	target   string
	started  time.Time

	mu       sync.Mutex
	free     time.Time // when the last byte has passed the bottleneck
	sessions map[net.Conn]struct{}
}

// outages are periodic. The zero value is none.
type outages struct{ every, from, length time.Duration }

// end returns the end of the outage at a time since the start, 0 if there is none.
func (o outages) end(at time.Duration) time.Duration {
	if o.every == 0 {
		return 0
	}
	begin := at.Truncate(o.every) + o.from
	if at < begin || at >= begin+o.length {
		return 0
	}
	return begin + o.length
}

// total returns the total length of the outages before a time since the start.
func (o outages) total(at time.Duration) time.Duration {
	var sum time.Duration
	for begin := o.from; o.every > 0 && begin < at; begin += o.every {
		sum += min(o.length, at-begin)
	}
	return sum
}

// open starts the link to the address target and returns its own address. It ends with
// ctx.
func (l *link) open(ctx context.Context, target string) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	l.listener, l.target, l.started = listener, target, time.Now()
	l.sessions = map[net.Conn]struct{}{}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	if l.breaks {
		go l.breakConnections(ctx)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(ctx, conn)
		}
	}()
	return listener.Addr().String(), nil
}

func (l *link) down() time.Duration { return l.outages.end(time.Since(l.started)) }

// breakConnections ends the connections whenever an outage begins.
func (l *link) breakConnections(ctx context.Context) {
	for begin := l.outages.from; ; begin += l.outages.every {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(l.started.Add(begin))):
		}
		l.mu.Lock()
		for conn := range l.sessions {
			reset(conn)
		}
		l.mu.Unlock()
	}
}

// reset ends a connection without sending what is buffered.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// window is what the link's own buffers hold, as those of a router do.
const window = 64 << 10

func (l *link) serve(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	if l.breaks && l.down() > 0 {
		reset(client)
		return
	}
	_ = client.(*net.TCPConn).SetReadBuffer(window) // otherwise megabytes seem to have arrived
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	l.mu.Lock()
	l.sessions[client], l.sessions[server] = struct{}{}, struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.sessions, client)
		delete(l.sessions, server)
	}()
	var both sync.WaitGroup
	both.Go(func() { l.downwards(client, server) })
	both.Go(func() { l.upwards(server, client) })
	both.Wait()
}

// packet is a part of a connection's bytes that arrives at a time.
type packet struct {
	data []byte
	at   time.Time
}

// upwards copies at the link's rate and with its delay.
func (l *link) upwards(server, client net.Conn) {
	const size = 1460
	queue := make(chan packet, window/size+int(l.delay.Seconds()*float64(l.rate))/size)
	var writing sync.WaitGroup
	writing.Go(func() {
		for p := range queue {
			time.Sleep(time.Until(p.at)) // the delay
			l.waitForOutage()
			if _, err := server.Write(p.data); err != nil {
				_ = client.Close()
			}
		}
		_ = server.(*net.TCPConn).CloseWrite()
	})
	for {
		data := make([]byte, size)
		n, err := client.Read(data)
		if n > 0 {
			l.waitForOutage()
			queue <- packet{data[:n], l.pass(n).Add(l.delay)}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	writing.Wait()
}

// pass returns when n bytes have passed the bottleneck, which all connections share.
func (l *link) pass(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	if l.rate > 0 {
		l.free = l.free.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
	}
	return l.free
}

func (l *link) waitForOutage() {
	if end := l.down(); end > 0 {
		time.Sleep(time.Until(l.started.Add(end)))
	}
}

func (l *link) downwards(client, server net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := server.Read(buffer)
		if n > 0 {
			l.waitForOutage()
			if _, err := client.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = client.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, server)
}
