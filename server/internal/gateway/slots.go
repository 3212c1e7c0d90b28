package gateway

import (
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

// clientKey returns the key by which the client of a request is counted; "" for clients on
// the gateway's own machine, such as a proxy or a port-forward, which stand for anyone.
func (s *Service) clientKey(r *http.Request) string {
	addr, err := netip.ParseAddr(clientAddress(r, s.cfg.TrustedHops))
	if err != nil || addr.IsLoopback() {
		return ""
	}
	return httpserver.ClientKey(addr)
}
