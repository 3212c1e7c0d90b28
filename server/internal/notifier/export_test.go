package notifier

import "net/netip"

// The address filter against SSRF, for its tests.
var (
	IsPublic  = isPublic
	IsAllowed = isAllowed
)

// ParseAddress is for its fuzz test.
var ParseAddress = parseAddress

// CheckURL is for its fuzz test.
func CheckURL(raw string, networks []netip.Prefix) error {
	s := &Service{cfg: Config{Settings: Settings{Networks: networks}}}
	return s.checkURL(raw)
}
