package certs_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/certs"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/authority"
)

// connect makes a TLS connection and returns the serial number of the certificate.
func connect(t *testing.T, f *certs.Files, host, address string) (string, error) {
	t.Helper()
	config, err := f.Client(host)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// TestReload replaces the certificate, then the authority, of a running server.
func TestReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	// replace stores the files with a distinct time, however coarse the clock is.
	stamp := time.Now().Add(-time.Hour)
	replace := func(files map[string][]byte) {
		t.Helper()
		stamp = stamp.Add(time.Minute)
		for name, content := range files {
			if err := os.WriteFile(file(name), content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file(name), stamp, stamp); err != nil {
				t.Fatal(err)
			}
		}
	}
	first, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	issue := func(a *authority.Authority) map[string][]byte {
		t.Helper()
		files, err := a.Issue("gateway")
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	replace(issue(first))
	files, err := certs.Open(file("tls.crt"), file("tls.key"), file("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	listener := tls.NewListener(server.Listener, files.Server())
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	address := listener.Addr().String()

	before, err := connect(t, files, "gateway", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, files, "auth", address); err == nil {
		t.Error("a certificate for another name was accepted")
	}
	replace(issue(first))
	after, err := connect(t, files, "gateway", address)
	if err != nil || after == before {
		t.Errorf("with the new certificate: serial number %s, %v; before %s", after, err, before)
	}
	second, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	fresh := issue(second)
	replace(map[string][]byte{"tls.crt": fresh["tls.crt"]}) // without its key: not used yet
	if serial, err := connect(t, files, "gateway", address); err != nil || serial != after {
		t.Errorf("with half of a new pair: serial number %s, %v", serial, err)
	}
	replace(map[string][]byte{"tls.key": fresh["tls.key"]})
	if _, err := connect(t, files, "gateway", address); err == nil {
		t.Error("a certificate of an unknown authority was accepted")
	}
	replace(map[string][]byte{"ca.crt": fresh["ca.crt"]})
	if _, err := connect(t, files, "gateway", address); err != nil {
		t.Errorf("with the new authority: %v", err)
	}
}

func TestInvalidFiles(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, paths := range map[string][3]string{
		"no key": {empty, "", ""}, "no certificate": {"", empty, ""}, "empty pair": {empty, empty, ""},
		"empty authority": {"", "", empty}, "missing": {"", "", empty + "2"},
	} {
		if _, err := certs.Open(paths[0], paths[1], paths[2]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
