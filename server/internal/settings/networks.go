package settings

import (
	"fmt"
	"net/netip"
	"strings"
)

// Networks is a flag value: a list of networks such as 10.0.0.0/8,fd00::/8.
type Networks []netip.Prefix

// Set parses a comma-separated list in CIDR notation; "" is the empty list.
func (n *Networks) Set(s string) error {
	list := Networks{}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return fmt.Errorf("%q is not a network such as 10.0.0.0/8", part)
		}
		list = append(list, p.Masked())
	}
	*n = list
	return nil
}

// String formats the list as Set parses it.
func (n *Networks) String() string {
	parts := make([]string, len(*n))
	for i, p := range *n {
		parts[i] = p.String()
	}
	return strings.Join(parts, ",")
}

// Type returns the placeholder of the value in the usage.
func (*Networks) Type() string { return "networks" }
