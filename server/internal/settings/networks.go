package settings

import (
	"fmt"
	"net/netip"
	"strings"
)

// Networks is a list of networks as a flag: 10.0.0.0/8,fd00::/8.
type Networks []netip.Prefix

// Set reads the list; "" is an empty one.
func (n *Networks) Set(s string) error {
	list := Networks{}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return fmt.Errorf("%q is not a network; write it like 10.0.0.0/8", part)
		}
		list = append(list, p.Masked())
	}
	*n = list
	return nil
}

// String gives the list as Set reads it.
func (n *Networks) String() string {
	parts := make([]string, len(*n))
	for i, p := range *n {
		parts[i] = p.String()
	}
	return strings.Join(parts, ",")
}

// Type names the value in the usage.
func (*Networks) Type() string { return "networks" }
