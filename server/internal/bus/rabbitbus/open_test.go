package rabbitbus_test

import (
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/bus"
	"github.com/soundextract/sx/server/internal/bus/rabbitbus"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// changed returns the URI with a change.
func changed(t *testing.T, uri string, change func(u *url.URL)) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

// TestRefused checks that Open immediately returns failures that need an
// operator.
func TestRefused(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	for _, c := range []struct {
		name, url, hint string
	}{
		{"not a URL", "amqp://user:s3cret%zz@broker/", "TEST_AMQP_URL"},
		{"another scheme", "https://user:s3cret@broker/", "TEST_AMQP_URL"},
		{"a wrong password", changed(t, uri, func(u *url.URL) {
			u.User = url.UserPassword("guest", "s3cret")
		}), "user and password in TEST_AMQP_URL"},
		{"no such virtual host", changed(t, uri, func(u *url.URL) { u.Path = "/missing" }), "virtual host"},
		{"TLS to a port without it", changed(t, uri, func(u *url.URL) { u.Scheme = "amqps" }), "TEST_AMQP_URL"},
		{"no such certificate authority", changed(t, uri, func(u *url.URL) {
			u.Scheme, u.RawQuery = "amqps", "cacertfile=/missing.pem"
		}), "TEST_AMQP_URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var log testkit.LogBuffer
			cfg := config(t, uri, &log)
			cfg.URL = c.url
			ctx := deadline(t)
			b, err := rabbitbus.Open(ctx, cfg)
			if err == nil {
				_ = b.Close()
				t.Fatal("Open succeeded")
			}
			e := sx.AsError(err)
			if e.Code != sx.CodeInvalid || !strings.Contains(e.Hint, c.hint) || ctx.Err() != nil {
				t.Errorf("Open returned %s %q with the hint %q, want code invalid and a hint with %q",
					e.Code, e.Message, e.Hint, c.hint)
			}
			for _, text := range []string{e.Message, e.Hint, log.String()} {
				if strings.Contains(text, "s3cret") {
					t.Errorf("the password is in: %s", text)
				}
			}
		})
	}
}

func TestDeclaredDifferently(t *testing.T) {
	t.Parallel()
	uri := shared.URI(t)
	cfg := config(t, uri, t.Output())
	ch := rawChannel(t, uri)
	if _, err := ch.QueueDeclare(cfg.Prefix+"."+string(bus.Convert), true, false, false, false, nil); err != nil {
		t.Fatalf("QueueDeclare: %v", err)
	}
	ctx := deadline(t)
	b, err := rabbitbus.Open(ctx, cfg)
	if err == nil {
		_ = b.Close()
	}
	if e := sx.AsError(err); e == nil || e.Code != sx.CodeInvalid || !strings.Contains(e.Hint, "delete it") {
		t.Errorf("Open returned %v, want code invalid and a hint", err)
	}
}

// TestForeignPeer connects to a server that is not a broker, such as a proxy in its place.
func TestForeignPeer(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
		}
	}()
	var log testkit.LogBuffer
	cfg := config(t, shared.URI(t), &log)
	cfg.URL = "amqp://user:s3cret@" + l.Addr().String() + "/"
	_, err = rabbitbus.Open(within(t, 500*time.Millisecond), cfg)
	if e := sx.AsError(err); e == nil || e.Code != sx.CodeUnavailable || !strings.Contains(log.String(), "is not RabbitMQ") {
		t.Errorf("Open returned %v, want code unavailable, and logged\n%s", err, log.String())
	}
}

// TestSilentPeer connects to a peer that accepts connections and sends nothing.
func TestSilentPeer(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var log testkit.LogBuffer
	cfg := config(t, shared.URI(t), &log)
	cfg.URL = "amqp://user:s3cret@" + l.Addr().String() + "/"
	ctx := within(t, 500*time.Millisecond)
	started := time.Now()
	_, err = rabbitbus.Open(ctx, cfg)
	if e := sx.AsError(err); e == nil || e.Code != sx.CodeUnavailable || !strings.Contains(e.Hint, "TEST_AMQP_URL") {
		t.Errorf("Open returned %v, want code unavailable and the setting", err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("Open took %s with a context of 500 ms", took)
	}
}
