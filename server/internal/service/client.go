package service

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

const (
	dialTimeout     = 3 * time.Second
	responseTimeout = 30 * time.Second // hashing a password takes long under load
	maxIdleConns    = 32
	// healthcheckTimeout is shorter than the default timeout of container engines.
	healthcheckTimeout = 5 * time.Second
)

// Transport returns the transport for calls of another service of the same
// installation. It uses no proxy and keeps connections open. It may be used once
// Check is called.
func (p *Program) Transport() http.RoundTripper {
	return &http.Transport{
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, fmt.Errorf("connect to %s: %w", address, err)
			}
			return p.dialTLS(ctx, host, network, address)
		},
		ResponseHeaderTimeout: responseTimeout,
		MaxIdleConnsPerHost:   maxIdleConns,
		IdleConnTimeout:       time.Minute,
	}
}

// dialTLS connects to a server that must have a certificate for the host.
func (p *Program) dialTLS(ctx context.Context, host, network, address string) (net.Conn, error) {
	config, err := p.tls.Client(host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	return (&tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: config}).DialContext(ctx, network, address)
}

// ParseURL parses the setting that is the URL of another service.
func ParseURL(setting, value string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, Invalid(setting, "%q is not the URL of a service", value).WithHint("use a URL such as http://host:8741")
	}
	return u, nil
}

// ReadyCheck returns a check that passes if the service at base is ready.
func ReadyCheck(name string, transport http.RoundTripper, base *url.URL) func(ctx context.Context) error {
	address := base.JoinPath(api.PathReady).String()
	return func(ctx context.Context) error {
		if err := get(ctx, transport, address); err != nil {
			return sx.NewError(sx.CodeUnavailable, "%s is not ready", name).WithCause(err)
		}
		return nil
	}
}

// get sends a GET request. Any status other than 200 is an error.
func get(ctx context.Context, transport http.RoundTripper, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("request %s: %w", address, err)
	}
	// A reused connection would always reach the same replica, even if that one is not ready
	// and others are.
	req.Close = true
	res, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("request %s: %w", address, err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, res.Status)
	}
	return nil
}

// healthcheck checks that the program that listens on the address of the settings is
// alive, and returns the exit code.
func (p *Program) healthcheck(ctx context.Context) int {
	address, err := healthURL(p.addr)
	if err == nil {
		err = p.openCertificates()
	}
	if err != nil {
		p.printError(err)
		return sx.ExitUsage
	}
	transport := &http.Transport{}
	if p.tls.Serves() {
		address = "https" + strings.TrimPrefix(address, "http")
		// The certificate is for the name by which others know the service.
		transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return p.dialTLS(ctx, p.tls.Name(), network, address)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	if err := get(ctx, transport, address); err != nil {
		p.printError(sx.NewError(sx.CodeUnavailable, "%v", err).WithHint("see the log of %s", p.Flags.Name()))
		return sx.ExitFailure
	}
	return 0
}

// healthURL returns the URL of a program that listens on addr on this machine.
func healthURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return "", Invalid("addr", "%q has no port to check", addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // IPv4 or IPv6, like the listener
	}
	return "http://" + net.JoinHostPort(host, port) + api.PathHealth, nil
}
