package notifier

import (
	"net/netip"
	"slices"
)

// special are the IPv4 networks that are no place of the open internet (IANA's
// registry of special-purpose addresses, RFC 6890).
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)

// special6 are those within 2000::/3, which is all of the open internet in IPv6:
// protocol assignments with Teredo, documentation, 6to4.
var special6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

var (
	global6 = netip.MustParsePrefix("2000::/3")
	nat64   = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: an IPv4 address in the last 4 bytes
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// plain is the IPv4 address inside an IPv6 address that only carries it.
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// public reports whether the address is one of the open internet.
func public(a netip.Addr) bool {
	a = plain(a)
	if a.Is4() {
		return !within(special, a)
	}
	return a.Zone() == "" && global6.Contains(a) && !within(special6, a)
}

// allowed reports whether the address is in one of the operator's networks.
func allowed(networks []netip.Prefix, a netip.Addr) bool { return within(networks, plain(a)) }
