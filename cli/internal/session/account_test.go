package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/gateway"
)

var anna = api.Credentials{Name: "anna", Password: "correct horse"}

// open returns the account as a new process would open it.
func open(t *testing.T, server, dir string) *session.Account {
	t.Helper()
	a, err := session.NewAccount("test", server, session.OpenStore(dir, nil), http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func signedClient(t *testing.T, a *session.Account) *client.Client {
	t.Helper()
	c, err := a.Client()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func register(t *testing.T, server, dir string) {
	t.Helper()
	if _, err := open(t, server, dir).Register(t.Context(), anna); err != nil {
		t.Fatal(err)
	}
}

func TestSignInLasts(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	if _, err := signedClient(t, open(t, server.URL, dir)).Me(t.Context()); sx.CodeOf(err) != sx.CodeUnauthenticated {
		t.Fatalf("before signing in: %v, want unauthenticated", err)
	}
	register(t, server.URL, dir)
	user, err := signedClient(t, open(t, server.URL, dir)).Me(t.Context())
	if err != nil || user.Name != "anna" {
		t.Fatalf("got %v, %v", user, err)
	}
	if n := server.Refreshed(); n != 0 {
		t.Errorf("a valid token was renewed %d times", n)
	}
}

func TestTokenIsRenewedBeforeItEnds(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	server.TokenLifetime = 20 * time.Second
	register(t, server.URL, dir)
	if _, err := signedClient(t, open(t, server.URL, dir)).Me(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := server.Refreshed(); n != 1 {
		t.Errorf("renewed %d times, want once", n)
	}
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	register(t, server.URL, dir)
	c := signedClient(t, open(t, server.URL, dir))
	server.RevokeAccess()
	if _, err := c.Me(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := server.Refreshed(); n != 1 {
		t.Errorf("renewed %d times, want once", n)
	}

	// The response to HEAD, with which uploads continue, has no body that says why.
	server.RevokeAccess()
	req, err := c.NewRequest(t.Context(), http.MethodHead, api.PathUploads+"none", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err == nil {
		_ = res.Body.Close()
	}
	if n := server.Refreshed(); n != 2 || sx.CodeOf(err) == sx.CodeUnauthenticated {
		t.Errorf("HEAD: renewed %d times, want once more: %v", n, err)
	}
}

func createToken(t *testing.T, c *client.Client, body io.Reader) error {
	t.Helper()
	req, err := c.NewRequest(t.Context(), http.MethodPost, api.PathTokens, nil, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err == nil {
		_ = res.Body.Close()
	}
	return err
}

func TestRefusedTokenAndBodies(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	register(t, server.URL, dir)
	c := signedClient(t, open(t, server.URL, dir))

	server.RevokeAccess()
	if err := createToken(t, c, strings.NewReader(`{"name":"rereadable","expires_in":60}`)); err != nil {
		t.Errorf("a body that can be sent again: %v", err)
	}
	server.RevokeAccess()
	if err := createToken(t, c, io.MultiReader(strings.NewReader(`{"name":"consumed-1","expires_in":60}`))); sx.CodeOf(err) != sx.CodeUnauthenticated {
		t.Errorf("a body that cannot be sent again: %v, want unauthenticated", err)
	}
	if err := createToken(t, c, io.MultiReader(strings.NewReader(`{"name":"consumed-2","expires_in":60}`))); err != nil {
		t.Errorf("the next request must renew first: %v", err)
	}
}

func TestEndedSessionIsForgotten(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	register(t, server.URL, dir)
	server.EndSessions("anna")
	_, err := signedClient(t, open(t, server.URL, dir)).Me(t.Context())
	if sx.CodeOf(err) != sx.CodeSessionEnded || !strings.Contains(cmdutil.HintOf(err, nil), "sx login") {
		t.Fatalf("got %v, want session_ended with a hint", err)
	}
	if _, err := session.OpenStore(dir, nil).Get(session.Key{Server: "test", User: "anna"}); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("the session is still stored: %v", err)
	}
}

func TestUnreachableServerKeepsTheSession(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	server.TokenLifetime = time.Second
	register(t, server.URL, dir)
	gone := testkit.NoServer(t)
	_, err := signedClient(t, open(t, gone, dir)).Me(t.Context())
	var unreachable *client.Unreachable
	if !errors.As(err, &unreachable) {
		t.Fatalf("got %v, want unreachable", err)
	}
	if _, err := signedClient(t, open(t, server.URL, dir)).Me(t.Context()); err != nil {
		t.Errorf("the session is lost: %v", err)
	}
}

// renewals records the keys of the requests for new tokens, and loses the responses to some.
type renewals struct {
	keys []string
	lose int // how many responses
}

func (r *renewals) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != api.PathRefresh {
		return http.DefaultTransport.RoundTrip(req)
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	var in api.RefreshRequest
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		return nil, err
	}
	r.keys = append(r.keys, in.IdempotencyKey)
	res, err := http.DefaultTransport.RoundTrip(req)
	if r.lose > 0 && err == nil {
		r.lose--
		_ = res.Body.Close()
		return nil, errors.New("connection lost")
	}
	return res, err
}

// TestLostRenewal loses the responses with new tokens. The next processes repeat the request
// with its key; the next renewal has another one.
func TestLostRenewal(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	server.TokenLifetime = time.Second
	register(t, server.URL, dir)
	network := &renewals{lose: 2}
	for process := range 4 {
		a, err := session.NewAccount("test", server.URL, session.OpenStore(dir, nil), network)
		if err != nil {
			t.Fatal(err)
		}
		var unreachable *client.Unreachable
		if _, err := signedClient(t, a).Me(t.Context()); err == nil != (process >= 2) || err != nil && !errors.As(err, &unreachable) {
			t.Errorf("process %d: %v", process, err)
		}
	}
	if k := network.keys; len(k) != 4 || len(k[0]) < 26 || k[1] != k[0] || k[2] != k[0] || len(k[3]) < 26 || k[3] == k[0] {
		t.Errorf("the keys are %q", k)
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	register(t, server.URL, dir)
	name, serverErr, err := open(t, server.URL, dir).Logout(t.Context(), "")
	if name != "anna" || serverErr != nil || err != nil {
		t.Fatalf("got %q, %v, %v", name, serverErr, err)
	}
	name, serverErr, err = open(t, server.URL, dir).Logout(t.Context(), "")
	if name != "" || serverErr != nil || err != nil {
		t.Fatalf("second time: %q, %v, %v", name, serverErr, err)
	}
}

func TestLogoutWithoutServerDeletesSession(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	register(t, server.URL, dir)
	gone := testkit.NoServer(t)
	name, serverErr, err := open(t, gone, dir).Logout(t.Context(), "")
	if name != "anna" || serverErr == nil || err != nil {
		t.Fatalf("got %q, %v, %v, want an error of the server", name, serverErr, err)
	}
	if _, err := session.OpenStore(dir, nil).Get(session.Key{Server: "test", User: "anna"}); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("the session is still stored: %v", err)
	}
}

func TestRedirectionIsNotFollowed(t *testing.T) {
	t.Parallel()
	var asked []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization"))
	}))
	defer thief.Close()
	server, dir := gateway.New(t), t.TempDir()
	register(t, server.URL, dir)
	turncoat := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer turncoat.Close()
	_, err := signedClient(t, open(t, turncoat.URL, dir)).Me(t.Context())
	if sx.CodeOf(err) != sx.CodeForeign || !strings.Contains(err.Error(), thief.URL) {
		t.Errorf("got %v, want the new address named", err)
	}
	if len(asked) > 0 {
		t.Errorf("the redirect was followed, with %q", asked)
	}
}

// TestHelperProcess is not a test: TestOneRefreshForAll runs it as a process.
func TestHelperProcess(t *testing.T) {
	server := os.Getenv("TEST_ACCOUNT_SERVER")
	if server == "" {
		return
	}
	callAtOnce(t, open(t, server, os.Getenv("TEST_ACCOUNT_DIR")))
}

func callAtOnce(t *testing.T, a *session.Account) {
	c := signedClient(t, a)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := c.Me(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestOneRefreshForAll(t *testing.T) {
	t.Parallel()
	server, dir := gateway.New(t), t.TempDir()
	server.TokenLifetime = time.Second
	register(t, server.URL, dir)
	server.TokenLifetime = time.Hour
	var group sync.WaitGroup
	for n := range 2 {
		group.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperProcess$")
			cmd.Env = append(os.Environ(), "TEST_ACCOUNT_SERVER="+server.URL, "TEST_ACCOUNT_DIR="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v\n%s", n, err, out)
			}
		})
	}
	callAtOnce(t, open(t, server.URL, dir))
	group.Wait()
	if n := server.Refreshed(); n != 1 {
		t.Errorf("the refresh token was used %d times, want once", n)
	}
}

func TestWarnIfUnencrypted(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]bool{
		"http://127.0.0.1:1": false, "http://localhost:1": false, "http://[::1]:1": false,
		"https://sound.example.com": false, "http://sound.example.com": true, "http://10.0.0.1:8740": true,
	} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			var said strings.Builder
			open(t, server, t.TempDir()).WarnIfUnencrypted(&said)
			if got := said.Len() > 0; got != want {
				t.Errorf("warned: %t, want %t: %s", got, want, fmt.Sprint(&said))
			}
		})
	}
}

func TestPersonalTokenInsteadOfASession(t *testing.T) {
	t.Parallel()
	sent := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Header.Get("Authorization")
		api.WriteError(w, sx.NewError(sx.CodeUnauthenticated, "it was revoked").WithHint("make another"))
	}))
	t.Cleanup(server.Close)
	a := open(t, server.URL, t.TempDir())
	a.UseToken("sxp_x")
	_, err := signedClient(t, a).Me(t.Context())
	if sx.CodeOf(err) != sx.CodeUnauthenticated || sx.AsError(err).Hint != "make another" {
		t.Errorf("got %v", err)
	}
	if got := <-sent; got != "Bearer sxp_x" || len(sent) != 0 {
		t.Errorf("sent %q, and %d more", got, len(sent))
	}
}
