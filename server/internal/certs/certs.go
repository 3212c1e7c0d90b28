// Package certs provides TLS configurations from files that change while the program
// runs, as Kubernetes changes mounted Secrets: each connection uses what the files
// contain when it begins.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Files are PEM files: a certificate with its key, and certificate authorities.
type Files struct {
	pair *cached[tls.Certificate] // nil without a certificate
	ca   *cached[*x509.CertPool]  // nil for the system's authorities
}

// Open reads the files for the first time. cert and key may both be "", and so may ca.
func Open(cert, key, ca string) (*Files, error) {
	f := &Files{}
	if (cert == "") != (key == "") {
		return nil, errors.New("a certificate and its key must be given together")
	}
	if cert != "" {
		f.pair = &cached[tls.Certificate]{paths: []string{cert, key}, read: func() (tls.Certificate, error) {
			return tls.LoadX509KeyPair(cert, key)
		}}
		if _, err := f.pair.get(); err != nil {
			return nil, err
		}
	}
	if ca != "" {
		f.ca = &cached[*x509.CertPool]{paths: []string{ca}, read: func() (*x509.CertPool, error) { return readPool(ca) }}
		if _, err := f.ca.get(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func readPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool() // an external server may have a public certificate
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s contains no certificate in PEM format", path)
	}
	return pool, nil
}

// Serves reports whether there is a certificate to serve with.
func (f *Files) Serves() bool { return f.pair != nil }

// Server returns the configuration of a server, for HTTP/1.1.
func (f *Files) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := f.pair.get()
			return &pair, err
		},
	}
}

// Client returns the configuration of one connection to a server that must have a
// certificate for the host.
func (f *Files) Client(host string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if f.ca == nil {
		return config, nil
	}
	var err error
	config.RootCAs, err = f.ca.get()
	return config, err
}

// Name returns a name for which the certificate is valid, "" if there is none.
func (f *Files) Name() string {
	if f.pair == nil {
		return ""
	}
	pair, err := f.pair.get()
	if err != nil || len(pair.Leaf.DNSNames) == 0 {
		return ""
	}
	return pair.Leaf.DNSNames[0]
}

// cached is what files contain; it is read again when one of them has changed.
type cached[T any] struct {
	paths []string
	read  func() (T, error)

	mu      sync.Mutex
	value   T
	good    bool
	changed []time.Time
}

// get returns the content. While the files cannot be read, for example because only one
// of two has been replaced, it returns the content that was read last.
func (c *cached[T]) get() (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := make([]time.Time, len(c.paths))
	same := c.good
	for i, path := range c.paths {
		if info, err := os.Stat(path); err == nil {
			changed[i] = info.ModTime()
		}
		same = same && changed[i].Equal(c.changed[i])
	}
	if same {
		return c.value, nil
	}
	value, err := c.read()
	switch {
	case err == nil:
		c.value, c.good, c.changed = value, true, changed
	case !c.good:
		return value, err
	}
	return c.value, nil
}
