package auth

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// limit counts an attempt of the client, and of the name unless it is "". When
// there were too many, it returns an *sx.Error and says in the header
// Retry-After when the next may come.
func (s *Service) limit(w http.ResponseWriter, r *http.Request, name string) error {
	now := s.cfg.Now()
	wait := s.byAddress.reserve(s.address(r), now)
	if wait == 0 && name != "" {
		wait = s.byName.reserve(name, now)
	}
	if wait == 0 {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	in := time.Duration(seconds) * time.Second
	return sx.NewError(sx.CodeTooManyAttempts, "too many attempts to sign in; the next can be made in %v", in).
		WithHint("wait %v, then try again", in)
}

// address is what attempts are counted by: the client's IPv4 address, or the /64
// network of its IPv6 address, which is what one subscriber gets.
func (s *Service) address(r *http.Request) string {
	var text string
	if port, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		text = port.Addr().String()
	}
	if s.cfg.TrustForwarded {
		list := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
		if last := strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:]); last != "" {
			text = last
		}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return "unknown" // they share one limit
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}
