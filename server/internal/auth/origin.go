package auth

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// origin is where a request comes from.
type origin struct {
	address string // for the audit log; "" if it is unknown
	// key is what attempts are counted by: the IPv4 address, or the /48 network of the
	// IPv6 address, which one subscriber can have.
	key string
	// network is the /24 network of the IPv4 address, because a subscriber's address
	// changes, or the /48 network of the IPv6 address.
	network string
	known   bool // the account has signed in from the network
}

// unknownOrigin is shared by all clients without an address.
const unknownOrigin = "unknown"

// origin returns the origin of a request, not yet compared with those of an account.
func (s *Service) origin(r *http.Request) origin {
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
		return origin{key: unknownOrigin, network: unknownOrigin}
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		network := netip.PrefixFrom(addr, 48).Masked().String()
		return origin{address: addr.String(), key: network, network: network}
	}
	return origin{address: addr.String(), key: addr.String(), network: netip.PrefixFrom(addr, 24).Masked().String()}
}

// nameKey is what attempts for a name are counted by.
func (o origin) nameKey(name string) string { return name + "\x00" + o.network }

const (
	// maxNetworks bounds the networks that an account knows.
	maxNetworks = 10
	// networkLifetime is how long an account knows a network after the last sign-in
	// from it.
	networkLifetime = 90 * 24 * time.Hour
	// networkPrecision is how often the time of a network's last sign-in is updated.
	networkPrecision = 24 * time.Hour
)

// of returns the origin with known set for the user.
func (o origin) of(user sx.User, now time.Time) origin {
	o.known = o.network != unknownOrigin && slices.ContainsFunc(user.Networks, func(n sx.Network) bool {
		return n.Prefix == o.network && now.Sub(n.Seen) < networkLifetime
	})
	return o
}

// rememberNetwork stores that the user has signed in from the network.
func (s *Service) rememberNetwork(ctx context.Context, user sx.User, from origin) error {
	if from.network == unknownOrigin {
		return nil
	}
	now := s.cfg.Now()
	_, err := store.Update(ctx, user.ID, s.cfg.Users.ByID, s.cfg.Users.Replace, func(u *sx.User) error {
		kept := []sx.Network{{Prefix: from.network, Seen: now}}
		for _, n := range u.Networks { // the latest first
			if n.Prefix == from.network {
				if now.Sub(n.Seen) < networkPrecision {
					return store.ErrUnchanged
				}
			} else if now.Sub(n.Seen) < networkLifetime && len(kept) < maxNetworks {
				kept = append(kept, n)
			}
		}
		u.Networks = kept
		return nil
	})
	if errors.Is(err, store.ErrUnchanged) || sx.CodeOf(err) == sx.CodeNotFound { // or deleted meanwhile
		return nil
	}
	return err
}
