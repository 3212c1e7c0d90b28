package mongostore

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
)

// tlsDialer makes TLS connections with the current configuration.
type tlsDialer struct {
	config func(host string) (*tls.Config, error)
}

func (d tlsDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	config, err := d.config(host)
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{NetDialer: &net.Dialer{Timeout: selectionTimeout}, Config: config}).DialContext(ctx, network, address)
}
