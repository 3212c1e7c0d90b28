package standalone_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/standalone"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// ownerToken reads the token of the owner of a running server, and checks that only its
// user can.
func ownerToken(t *testing.T, data string) string {
	t.Helper()
	path := filepath.Join(data, api.OwnerTokenFile)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("the file of the owner's token: %v, %v; want mode 0600", info, err)
	}
	return strings.TrimSpace(string(must(os.ReadFile(path))(t)))
}

// TestOwnerToken checks that a local server needs no account, and that the token of an
// earlier start, and whatever somebody has put in its place, opens nothing.
func TestOwnerToken(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	data := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("sxo_planted"), 0o644); err != nil { //nolint:gosec // that is the attack
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(data, api.OwnerTokenFile)); err != nil {
		t.Fatal(err)
	}
	var first string
	var owner api.User
	for n := range 2 {
		url, stop := serveAt(t, data, "127.0.0.1:0")
		secret := ownerToken(t, data)
		if raw := must(os.ReadFile(elsewhere))(t); string(raw) != "sxo_planted" || secret == "sxo_planted" {
			t.Fatalf("the link was followed: %q, %q", raw, secret)
		}
		user := must(as(t, url, secret).Me(t.Context()))(t)
		if n == 0 {
			owner, first = user.User, secret
		}
		if user.ID != owner.ID || user.Name != auth.OwnerName || !user.Admin {
			t.Errorf("start %d: got %+v", n, user)
		}
		for _, bad := range []string{"sxo_planted", map[bool]string{true: first, false: ""}[n == 1], ""} {
			if _, err := as(t, url, bad).Me(t.Context()); sx.CodeOf(err) != sx.CodeUnauthenticated {
				t.Errorf("start %d, token %q: %v", n, bad, err)
			}
		}
		if _, err := as(t, url, "").Register(t.Context(), api.Credentials{Name: "eve", Password: password}); sx.CodeOf(err) != sx.CodeRegistrationClosed {
			t.Errorf("another user of the machine registers: %v", err)
		}
		stop()
		if _, err := os.Lstat(filepath.Join(data, api.OwnerTokenFile)); !os.IsNotExist(err) {
			t.Errorf("the token outlives the server: %v", err)
		}
	}
}

// TestHosts checks the answers to requests that name another host, as those of a web
// page whose name resolves to 127.0.0.1 do, and that no page of another origin may read
// an answer.
func TestHosts(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	url, data := serve(t)
	secret := ownerToken(t, data)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "localhost:" + port: 200, "LOCALHOST": 200, "[::1]:" + port: 200, "[::1]": 200,
		"127.1.2.3": 200, "sx.localhost:80": 200, "localhost.": 200,
		"evil.example": 403, "evil.example:" + port: 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403,
		"notlocalhost": 403, "0.0.0.0:" + port: 403, "192.168.1.2": 403, "[fe80::1]": 403,
	} {
		req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, url+api.PathMe, http.NoBody))(t)
		req.Host = host
		req.Header.Set("Authorization", "Bearer "+secret)
		req.Header.Set("Origin", "http://evil.example")
		res := must(http.DefaultTransport.RoundTrip(req))(t)
		raw := must(io.ReadAll(res.Body))(t)
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("Host %s: %s, want %d: %s", host, res.Status, want, raw)
		}
		for _, name := range []string{"Access-Control-Allow-Origin", "Set-Cookie"} {
			if got := res.Header.Get(name); got != "" {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

// TestPasswordOfAPublicServer checks that a server that other machines can reach signs
// nobody in by a file.
func TestPasswordOfAPublicServer(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	data := t.TempDir()
	cfg := config(data, "0.0.0.0:0")
	if err := standalone.Run(t.Context(), cfg); sx.CodeOf(err) != sx.CodeUnauthenticated || !strings.Contains(err.Error(), "owner has no password") {
		t.Fatalf("without a password: %v", err)
	}
	cfg.OwnerPassword = "short"
	if err := standalone.Run(t.Context(), cfg); sx.CodeOf(err) != sx.CodeInvalid {
		t.Fatalf("with a short one: %v", err)
	}
	// The token of a server that was killed.
	if err := os.WriteFile(filepath.Join(data, api.OwnerTokenFile), []byte("sxo_old"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.OwnerPassword = password
	url, stop := run(t, cfg)
	defer stop()
	if _, err := os.Lstat(filepath.Join(data, api.OwnerTokenFile)); !os.IsNotExist(err) {
		t.Errorf("there is a token: %v", err)
	}
	if _, err := as(t, url, "sxo_old").Me(t.Context()); sx.CodeOf(err) != sx.CodeUnauthenticated {
		t.Errorf("an old token: %v", err)
	}
	got, err := as(t, url, "").Login(t.Context(), api.Credentials{Name: auth.OwnerName, Password: password})
	if err != nil || !got.User.Admin {
		t.Errorf("with the password: %+v, %v", got.User, err)
	}
}

func config(data, addr string) standalone.Config {
	return standalone.Config{
		Addr: addr, Data: data, Load: converter.Load{Encoders: 1, Conversions: 2},
		Registration: auth.RegistrationInvitation, Log: slog.New(slog.DiscardHandler),
	}
}

// serveAt runs the server until stop is called.
func serveAt(t *testing.T, data, addr string) (url string, stop func()) {
	t.Helper()
	return run(t, config(data, addr))
}

func run(t *testing.T, cfg standalone.Config) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- standalone.Run(ctx, cfg) }()
	testkit.Eventually(t, "instance file", func() bool {
		var file struct{ URL string }
		raw, err := os.ReadFile(filepath.Join(cfg.Data, api.InstanceFile))
		if err == nil && json.Unmarshal(raw, &file) == nil {
			url = strings.Replace(file.URL, "[::]", "127.0.0.1", 1)
		}
		return url != ""
	})
	return url, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
