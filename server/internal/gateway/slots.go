package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"sync"

	"github.com/soundextract/sx/server/internal/httpserver"
)

// slots limits how many requests of one kind may be open at the same time for each key.
type slots struct {
	most int

	mu   sync.Mutex
	used map[string]int
}

func newSlots(most int) *slots { return &slots{most: most, used: map[string]int{}} }

// take takes a slot of the key, unless all are used; "" has no limit. The caller must call
// release.
func (s *slots) take(key string) (release func(), ok bool) {
	if key == "" {
		return func() {}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[key] >= s.most {
		return nil, false
	}
	s.used[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.used[key]--; s.used[key] == 0 {
			delete(s.used, key)
		}
	}, true
}

// turns lets one request of a kind at a time proceed for each key.
type turns struct {
	mu    sync.Mutex
	queue map[string]*turn
}

// turn is what the requests of a key wait for.
type turn struct {
	running  chan struct{} // has an element while one proceeds
	requests int           // that proceed or wait
}

// wait waits until the requests of the key that came before have ended, or ctx ends. The
// caller must call release.
func (t *turns) wait(ctx context.Context, key string) (release func(), err error) {
	t.mu.Lock()
	if t.queue == nil {
		t.queue = map[string]*turn{}
	}
	own := t.queue[key]
	if own == nil {
		own = &turn{running: make(chan struct{}, 1)}
		t.queue[key] = own
	}
	own.requests++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if own.requests--; own.requests == 0 {
			delete(t.queue, key)
		}
	}
	select {
	case own.running <- struct{}{}:
		return func() { <-own.running; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// clientKey returns the key by which the client of a request is counted; "" for clients on
// the gateway's own machine, such as a proxy or a port-forward, which stand for anyone.
func (s *Service) clientKey(r *http.Request) string {
	addr, err := netip.ParseAddr(clientAddress(r, s.cfg.TrustedHops))
	if err != nil || addr.IsLoopback() {
		return ""
	}
	return httpserver.ClientKey(addr)
}
