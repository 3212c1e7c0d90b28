package service_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/authority"
	"github.com/soundextract/sx/server/testkit/rabbitmq"
)

// certificate stores a certificate for the names and returns the settings of a program
// that uses it.
func certificate(t *testing.T, a *authority.Authority, names ...string) []string {
	t.Helper()
	files, err := a.Issue(names...)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{
		"--tls-cert=" + filepath.Join(dir, "tls.crt"), "--tls-key=" + filepath.Join(dir, "tls.key"), "--tls-ca=" + filepath.Join(dir, "ca.crt"),
	}
}

func newAuthority(t *testing.T) *authority.Authority {
	t.Helper()
	a, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestHTTPS checks that a program with a certificate serves nothing but HTTPS, and that
// the health check and a program with the same authority accept its certificate, but a
// program with another authority does not.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	issuer := newAuthority(t)
	settings := certificate(t, issuer, "localhost")
	p := start(t, plain, unexpectedStart, append(settings, "--mongodb-uri="+unavailable)...)
	address := strings.TrimPrefix(p.url, "http://")
	if status, _ := get(t, p.url+api.PathHealth); status != http.StatusBadRequest {
		t.Errorf("a request without TLS got %d", status)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	base := &url.URL{Scheme: "https", Host: net.JoinHostPort("localhost", port), Path: api.PathHealth}
	request := func(settings []string) error {
		var answer error
		client := plain(io.Discard, io.Discard)
		client.Check = func() error {
			res, err := (&http.Client{Transport: client.Transport()}).Get(base.String())
			if err == nil {
				err = res.Body.Close()
			}
			answer = err
			return errStart
		}
		client.Main(t.Context(), append(settings, "--mongodb-uri="+unavailable), unexpectedStart)
		return answer
	}
	if err := request(settings); err != nil {
		t.Errorf("a program of the same authority: %v", err)
	}
	if err := request(certificate(t, newAuthority(t), "localhost")); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a program of another authority: %v", err)
	}
	base.Host = address // the certificate has no IP address
	if err := request(settings); err == nil {
		t.Error("the name in the certificate is not compared")
	}
	var stderr bytes.Buffer
	if code := plain(io.Discard, &stderr).Main(t.Context(), append([]string{"healthcheck", "--addr=" + address}, settings...), unexpectedStart); code != 0 {
		t.Errorf("healthcheck: exit code %d\n%s", code, stderr.String())
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestInvalidTLSSettings(t *testing.T) {
	t.Parallel()
	uri := "--mongodb-uri=" + unavailable
	settings := certificate(t, newAuthority(t), "x")
	for want, args := range map[string][]string{
		"must be given together":        {settings[0]},
		"contains no certificate":       {"--tls-ca=" + write(t, "x")},
		"no such file":                  {"--tls-ca=/nowhere/ca.crt"},
		"--mongodb-username is not set": {"--mongodb-password-file=" + write(t, "x")},
		"--mongodb-password is not set": {"--mongodb-username=x"},
		"already contains a user":       {"--mongodb-uri=mongodb://ann@127.0.0.1:1,127.0.0.1:2/", "--mongodb-username=x", "--mongodb-password=x"},
	} {
		if got := refused(t, plain, append([]string{uri}, args...)...); !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}

// TestUserSettings connects with a URI that contains no user.
func TestUserSettings(t *testing.T) {
	t.Parallel()
	broker := rabbitmq.Start(t)
	const password = "p@ss/word? #1"
	broker.Ctl(t, "add_user", "someone", password)
	broker.Ctl(t, "set_permissions", "someone", ".*", ".*", ".*")
	u, err := url.Parse(broker.URI())
	if err != nil {
		t.Fatal(err)
	}
	u.User = nil
	p := start(t, withBus, unexpectedStart, "--mongodb-uri="+unavailable,
		"--amqp-uri="+u.String(), "--amqp-username-file="+write(t, "someone\n"), "--amqp-password-file="+write(t, password+"\n"))
	testkit.Eventually(t, "the connection to RabbitMQ", func() bool {
		_, body := get(t, p.url+api.PathReady)
		return !strings.Contains(body, "bus: ")
	}, func() any { return p.log.String() })

	// Over TLS, with the broker's authority as a setting of the program.
	secure, ca := broker.TLSURI()
	settings := []string{"--mongodb-uri=" + unavailable, "--amqp-uri=" + secure}
	trusting := start(t, withBus, unexpectedStart, append(settings, "--tls-ca="+ca)...)
	testkit.Eventually(t, "the connection over TLS", func() bool {
		_, body := get(t, trusting.url+api.PathReady)
		return !strings.Contains(body, "bus: ")
	}, func() any { return trusting.log.String() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = rabbitbus.Open(ctx, rabbitbus.Config{URL: secure, Log: slog.New(slog.DiscardHandler)})
	if sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("without the authority: %v", err)
	}
}
