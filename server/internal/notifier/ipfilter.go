package notifier

import (
	"net/netip"
	"slices"
)

// specialIPv4 are the IPv4 networks that are not globally reachable (IANA's registry
// of special-purpose addresses, RFC 6890), with multicast and reserved addresses.
var specialIPv4 = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)

// specialIPv6 are those within globalIPv6: protocol assignments with Teredo,
// documentation, 6to4.
var specialIPv6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

var (
	globalIPv6 = netip.MustParsePrefix("2000::/3")     // all global unicast addresses (RFC 4291)
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: an IPv4 address in the last 4 bytes
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// embeddedIPv4 returns the IPv4 address of a mapped or NAT64 address, and any other
// address as it is.
func embeddedIPv4(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

func inAny(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// isPublic reports whether the address belongs to the public internet.
func isPublic(a netip.Addr) bool {
	a = embeddedIPv4(a)
	if a.Is4() {
		return !inAny(specialIPv4, a)
	}
	return a.Zone() == "" && globalIPv6.Contains(a) && !inAny(specialIPv6, a)
}

// isAllowed reports whether the address is in one of the operator's networks.
func isAllowed(networks []netip.Prefix, a netip.Addr) bool { return inAny(networks, embeddedIPv4(a)) }
