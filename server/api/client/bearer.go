package client

import "net/http"

// Bearer is an http.RoundTripper that authenticates requests with an access token
// or a personal token (RFC 6750 section 2.1).
type Bearer struct {
	Token string            // "" sends none
	Base  http.RoundTripper // nil means http.DefaultTransport
}

// RoundTrip implements http.RoundTripper.
func (b Bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	base := b.Base
	if base == nil {
		base = http.DefaultTransport
	}
	if b.Token != "" {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+b.Token)
	}
	return base.RoundTrip(req)
}
