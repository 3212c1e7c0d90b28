package notifier_test

import (
	"net/netip"
	"testing"

	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/internal/settings"
)

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for _, a := range []string{
		"8.8.8.8", "192.0.43.7", "100.128.0.1", "172.32.0.1", "2606:2800:220:1::1", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
	} {
		if !notifier.IsPublic(netip.MustParseAddr(a)) {
			t.Errorf("%s is refused", a)
		}
	}
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.8", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
		"fec0::1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1",
		"2002:808:808::1", "3fff::1", "4000::1",
	} {
		if notifier.IsPublic(netip.MustParseAddr(a)) {
			t.Errorf("%s is taken for public", a)
		}
	}
}

func TestAllowedNetworks(t *testing.T) {
	t.Parallel()
	var n settings.Networks
	if err := n.Set("10.0.0.0/8, fd00::/8"); err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::a01:203": true, "fd00::1": true,
		"11.1.2.3": false, "127.0.0.1": false, "fe80::1": false,
	} {
		if got := notifier.IsAllowed(n, netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v, want %v", a, got, want)
		}
	}
}
