package acceptance_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/stack"
)

// rotation rotates the signing key as package token describes, in seconds
// instead of an hour, while a signed-in user keeps using all gateways.
func rotation(t *testing.T, s *stack.Stack, keys string) {
	ctx, stop := context.WithTimeout(t.Context(), limit)
	defer stop()
	c, err := client.New(s.Gateways[0].URL(), http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Register(ctx, api.Credentials{Name: "ada-" + sx.NewID(), Password: "correct horse battery"})
	if err != nil {
		t.Fatal(err)
	}
	before := tokens
	use := func(access string, want int) {
		for _, gateway := range s.Gateways {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway.URL()+api.PathJobs, http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			res, err := client.Bearer{Token: access}.RoundTrip(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s returned %s, want %d", gateway.Name, res.Status, want)
			}
		}
	}
	// refresh retries until auth is available again, as sx does.
	refresh := func() {
		until(t, func(ctx context.Context) bool {
			next, err := c.Refresh(ctx, api.RefreshRequest{RefreshToken: tokens.RefreshToken})
			if err != nil && sx.CodeOf(err) != sx.CodeUnavailable {
				t.Fatalf("refresh: %v", err)
			}
			if err == nil {
				tokens = next
			}
			return err == nil
		}, "the session can be refreshed")
	}
	use(before.AccessToken, http.StatusOK)

	old := keyFile(t, keys)
	future := t.TempDir()
	if _, err := token.LoadKeys(future, time.Now()); err != nil {
		t.Fatal(err)
	}
	name := time.Now().Add(6*time.Second).UTC().Format("20060102T150405Z") + ".pem"
	if err := os.Rename(keyFile(t, future), filepath.Join(keys, name)); err != nil {
		t.Fatal(err)
	}
	var restart sync.WaitGroup
	restart.Go(func() { s.Auth.Stop(t); s.Auth.Start(t) })
	for signedBy(t, tokens.AccessToken) == signedBy(t, before.AccessToken) {
		refresh()
		use(tokens.AccessToken, http.StatusOK)
		use(before.AccessToken, http.StatusOK)
		if ctx.Err() != nil {
			t.Fatal("the new key does not sign")
		}
	}
	restart.Wait()
	use(before.AccessToken, http.StatusOK)

	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	// The gateways too, which otherwise use their cached keys for five minutes.
	for _, p := range append([]*stack.Process{s.Auth}, s.Gateways...) {
		p.Stop(t)
		p.Start(t)
		p.WaitReady(t)
	}
	use(before.AccessToken, http.StatusUnauthorized)
	use(tokens.AccessToken, http.StatusOK)
	refresh()
	use(tokens.AccessToken, http.StatusOK)
}

// keyFile returns the path of the directory's only key.
func keyFile(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil || len(names) != 1 {
		t.Fatalf("the keys are %v, error %v", names, err)
	}
	return names[0]
}

// signedBy returns the id of the key that signed a token.
func signedBy(t *testing.T, access string) string {
	t.Helper()
	first, _, _ := strings.Cut(access, ".")
	raw, err := jwt.NewParser().DecodeSegment(first)
	var header struct{ Kid string }
	if err == nil {
		err = json.Unmarshal(raw, &header)
	}
	if err != nil {
		t.Fatal(err)
	}
	return header.Kid
}
