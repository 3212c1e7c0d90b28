package token_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

func newKey(t *testing.T) token.Key {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return token.Key{Private: key}
}

func newSigner(t *testing.T, c *testkit.Clock, keys ...token.Key) *token.Signer {
	t.Helper()
	s, err := token.NewSigner(keys, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// source is a key set that a test changes, and counts its fetches.
type source struct {
	mu    sync.Mutex
	doc   []byte
	err   error
	count int
}

func (s *source) Fetch(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	return s.doc, s.err
}

func (s *source) Set(doc []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doc, s.err = doc, err
}

func (s *source) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

func sign(t *testing.T, s *token.Signer) string {
	t.Helper()
	raw, _, err := s.Sign(token.Claims{UserID: "u1", UserName: "ada", SessionID: "s1"})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func wantCode(t *testing.T, err error, want sx.Code) {
	t.Helper()
	var e *sx.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Fatalf("got error %v (code %q), want code %q", err, sx.CodeOf(err), want)
	}
}

func TestGoodToken(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	s := newSigner(t, c, newKey(t))
	v := token.NewVerifier((&source{doc: s.KeySet()}).Fetch, c.Now)
	raw, signed, err := s.Sign(token.Claims{UserID: "u1", UserName: "ada", SessionID: "s1"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	want := token.Claims{UserID: "u1", UserName: "ada", SessionID: "s1", Expires: c.Now().Add(10 * time.Minute)}
	got.Expires = got.Expires.UTC()
	if got != want || !signed.Expires.Equal(want.Expires) {
		t.Fatalf("got %+v (signed %+v), want %+v", got, signed, want)
	}
	if sign(t, s) == raw {
		t.Fatal("two tokens are the same: the jti is missing")
	}
}

func TestRefusedTokens(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	ours := newKey(t)
	key := ours.Private
	s := newSigner(t, c, ours)
	src := &source{doc: s.KeySet()}
	good := sign(t, s)
	header, _, _ := strings.Cut(good, ".")
	kid := headerOf(t, header)["kid"].(string)
	pub := key.Public().(ed25519.PublicKey)

	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		m := jwt.MapClaims{
			"iss": token.Issuer, "aud": token.Audience, "sub": "u1", "sid": "s1", "name": "ada",
			"iat": c.Now().Unix(), "exp": c.Now().Add(time.Minute).Unix(),
		}
		if change != nil {
			change(m)
		}
		return m
	}
	mint := func(method jwt.SigningMethod, key any, id any, m jwt.MapClaims) string {
		tok := jwt.NewWithClaims(method, m)
		if id != nil {
			tok.Header["kid"] = id
		}
		raw, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	signature[0] ^= 1

	tests := []struct{ name, input, want string }{
		{"valid, signed by the test", mint(jwt.SigningMethodEdDSA, key, kid, claims(nil)), ""},
		{"empty", "", "not valid"},
		{"not a token", "abc", "not valid"},
		{"very long", strings.Repeat("a", 1<<20), "not valid"},
		{"alg none", mint(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, kid, claims(nil)), "not valid"},
		{"alg HS256 keyed with the public key", mint(jwt.SigningMethodHS256, []byte(pub), kid, claims(nil)), "not valid"},
		{"alg RS256", mint(jwt.SigningMethodRS256, rsaKey, kid, claims(nil)), "not valid"},
		{"signature changed", parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(signature), "not valid"},
		{"signature removed", parts[0] + "." + parts[1] + ".", "not valid"},
		{"payload of another token", parts[0] + "." + strings.Split(sign(t, s), ".")[1] + "." + parts[2], "not valid"},
		{"signed by another key with our kid", mint(jwt.SigningMethodEdDSA, newKey(t).Private, kid, claims(nil)), "not valid"},
		{"unknown kid", mint(jwt.SigningMethodEdDSA, key, "other", claims(nil)), "unknown key"},
		{"no kid", mint(jwt.SigningMethodEdDSA, key, nil, claims(nil)), "does not name its key"},
		{"kid not a string", mint(jwt.SigningMethodEdDSA, key, 7, claims(nil)), "does not name its key"},
		{"expired", mint(jwt.SigningMethodEdDSA, key, kid, claims(func(m jwt.MapClaims) { m["exp"] = c.Now().Add(-11 * time.Second).Unix() })), "has expired"},
		{"expired within the leeway", mint(jwt.SigningMethodEdDSA, key, kid, claims(func(m jwt.MapClaims) { m["exp"] = c.Now().Add(-9 * time.Second).Unix() })), ""},
		{"no exp", mint(jwt.SigningMethodEdDSA, key, kid, claims(func(m jwt.MapClaims) { delete(m, "exp") })), "not valid"},
		{"wrong audience", mint(jwt.SigningMethodEdDSA, key, kid, claims(func(m jwt.MapClaims) { m["aud"] = "another-api" })), "not valid"},
		{"no audience", mint(jwt.SigningMethodEdDSA, key, kid, claims(func(m jwt.MapClaims) { delete(m, "aud") })), "not valid"},
		{"wrong issuer", mint(jwt.SigningMethodEdDSA, key, kid, claims(func(m jwt.MapClaims) { m["iss"] = "someone" })), "not valid"},
		{"no user", mint(jwt.SigningMethodEdDSA, key, kid, claims(func(m jwt.MapClaims) { delete(m, "sub") })), "names no user"},
		{"no session", mint(jwt.SigningMethodEdDSA, key, kid, claims(func(m jwt.MapClaims) { delete(m, "sid") })), "names no user"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := token.NewVerifier(src.Fetch, c.Now).Verify(t.Context(), tt.input)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, sx.CodeUnauthenticated)
			if !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %q, want %q in it", err, tt.want)
			}
		})
	}
}

func headerOf(t *testing.T, part string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var h map[string]any
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatal(err)
	}
	return h
}

// The key and its thumbprint are the example of RFC 8037, appendix A.
func TestKeySetRFC8037(t *testing.T) {
	t.Parallel()
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	if err != nil {
		t.Fatal(err)
	}
	s := newSigner(t, testkit.NewClock(), token.Key{Private: ed25519.NewKeyFromSeed(seed)})
	var doc struct{ Keys []map[string]string }
	if err := json.Unmarshal(s.KeySet(), &doc); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
		"kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig", "alg": "EdDSA",
	}
	if len(doc.Keys) != 1 || !maps.Equal(doc.Keys[0], want) {
		t.Fatalf("got %v, want %v", doc.Keys, want)
	}
}

func TestNoKeys(t *testing.T) {
	t.Parallel()
	if _, err := token.NewSigner(nil, time.Now); err == nil {
		t.Fatal("NewSigner accepted no keys")
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	c, key := testkit.NewClock(), newKey(t)
	secret := func(s *token.Signer, purpose string) string {
		t.Helper()
		b, err := s.Secret(purpose, c.Now())
		if err != nil || len(b) != 32 {
			t.Fatalf("got %d bytes, error %v", len(b), err)
		}
		return string(b)
	}
	one := newSigner(t, c, key)
	if secret(one, "a") != secret(newSigner(t, c, newKey(t), key), "a") {
		t.Error("the same signing key results in another secret")
	}
	if secret(one, "a") == secret(one, "b") || secret(one, "a") == secret(newSigner(t, c, newKey(t)), "a") {
		t.Error("another purpose or key results in the same secret")
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, input, want string }{
		{"usual", "Bearer abc", "abc"},
		{"any case (RFC 9110 section 11.1)", "bearer abc", "abc"},
		{"two spaces", "Bearer  abc", "abc"},
		{"none", "", ""},
		{"no token", "Bearer ", ""},
		{"another scheme", "Basic abc", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := token.Bearer(http.Header{"Authorization": {tt.input}})
			if got != tt.want {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			if tt.want == "" {
				wantCode(t, err, sx.CodeUnauthenticated)
			}
		})
	}
}

func TestKeyChange(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	oldKey, newKey := newKey(t), newKey(t)
	before, during, after := newSigner(t, c, oldKey), newSigner(t, c, oldKey, newKey), newSigner(t, c, newKey)
	src := &source{doc: before.KeySet()}
	v := token.NewVerifier(src.Fetch, c.Now)
	verify := func(s *token.Signer) error {
		t.Helper()
		_, err := v.Verify(t.Context(), sign(t, s))
		return err
	}
	if err := verify(before); err != nil {
		t.Fatal(err)
	}
	src.Set(during.KeySet(), nil)
	c.Advance(6 * time.Second)
	if err := verify(during); err != nil {
		t.Fatalf("a new key is not fetched: %v", err)
	}
	if err := verify(before); err != nil {
		t.Fatalf("the old key is dropped too early: %v", err)
	}
	src.Set(after.KeySet(), nil)
	c.Advance(5 * time.Minute)
	wantCode(t, verify(before), sx.CodeUnauthenticated) // the removed key is no longer accepted
	if err := verify(after); err != nil {
		t.Fatal(err)
	}
	if got := src.Count(); got != 3 {
		t.Fatalf("the keys were fetched %d times, want 3", got)
	}
}

func TestForgedKeyIDsDoNotFloodAuth(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	s := newSigner(t, c, newKey(t))
	src := &source{doc: s.KeySet()}
	v := token.NewVerifier(src.Fetch, c.Now)
	forged := make([]string, 50)
	for i := range forged {
		forged[i] = sign(t, newSigner(t, c, newKey(t)))
	}
	for round := range 3 {
		var wg sync.WaitGroup
		for _, raw := range forged {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), raw); sx.CodeOf(err) != sx.CodeUnauthenticated {
					t.Errorf("got %v, want code unauthenticated", err)
				}
			})
		}
		wg.Wait()
		if got := src.Count(); got != round+1 {
			t.Fatalf("round %d: the keys were fetched %d times", round, got)
		}
		c.Advance(5 * time.Second)
	}
}

func TestAuthUnavailable(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	s := newSigner(t, c, newKey(t))
	src := &source{err: errors.New("connection refused")}
	v := token.NewVerifier(src.Fetch, c.Now)
	verify := func(s *token.Signer) error {
		_, err := v.Verify(t.Context(), sign(t, s))
		return err
	}
	wantCode(t, verify(s), sx.CodeUnavailable)
	wantCode(t, verify(s), sx.CodeUnavailable)
	if got := src.Count(); got != 1 {
		t.Fatalf("the keys were fetched %d times in a row, want once", got)
	}
	c.Advance(time.Second)
	src.Set([]byte(`{"keys":[{"kty":"RSA","kid":"x"},{"kty":"OKP","crv":"Ed25519","kid":"short","x":"AAAA"}]}`), nil)
	wantCode(t, verify(s), sx.CodeUnavailable) // no usable key in it
	c.Advance(time.Second)
	src.Set([]byte(`<html>`), nil)
	wantCode(t, verify(s), sx.CodeUnavailable)

	c.Advance(time.Second)
	src.Set(s.KeySet(), nil)
	if err := verify(s); err != nil {
		t.Fatalf("the recovered auth is not used: %v", err)
	}
	src.Set(nil, errors.New("connection refused"))
	c.Advance(59 * time.Minute)
	if err := verify(s); err != nil {
		t.Fatalf("the cached keys are not used while auth is unavailable: %v", err)
	}
	wantCode(t, verify(newSigner(t, c, newKey(t))), sx.CodeUnavailable) // it might be a new key
	c.Advance(time.Minute)
	wantCode(t, verify(s), sx.CodeUnavailable) // older than an hour
}

func TestFetchIsSharedAndOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	s := newSigner(t, c, newKey(t))
	raw := sign(t, s)
	started, release := make(chan struct{}), make(chan struct{})
	var count atomic.Int32
	v := token.NewVerifier(func(ctx context.Context) ([]byte, error) {
		if count.Add(1) == 1 {
			close(started)
		}
		select {
		case <-release:
			return s.KeySet(), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, c.Now)

	ctx, cancel := context.WithCancel(t.Context())
	impatient, patient := make(chan error, 1), make(chan error, 1)
	go func() { _, err := v.Verify(ctx, raw); impatient <- err }()
	<-started
	go func() { _, err := v.Verify(t.Context(), raw); patient <- err }()
	cancel()
	if err := <-impatient; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's error", err)
	}
	close(release)
	if err := <-patient; err != nil {
		t.Fatal(err)
	}
	if got := count.Load(); got != 1 {
		t.Fatalf("fetched %d times, want once", got)
	}
}

func TestFetchURL(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	s := newSigner(t, c, newKey(t))
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.KeySet()) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("{"))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	for path, want := range map[string]sx.Code{"/keys": "", "/broken": sx.CodeUnavailable, "/cut": sx.CodeUnavailable} {
		_, err := token.NewVerifier(token.FetchURL(srv.Client(), srv.URL+path), c.Now).Verify(t.Context(), sign(t, s))
		if got := sx.CodeOf(err); got != want {
			t.Errorf("%s: got code %q (%v), want %q", path, got, err, want)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/keys", ":"} {
		_, err := token.NewVerifier(token.FetchURL(srv.Client(), url), c.Now).Verify(t.Context(), sign(t, s))
		wantCode(t, err, sx.CodeUnavailable)
	}
}
