package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// fixture is a running auth on a real store.
type fixture struct {
	*client.Client
	url     string
	clock   *testkit.Clock
	store   store.Store
	signer  *token.Signer
	service *auth.Service
	metrics *prometheus.Registry
	logs    *testkit.LogBuffer
}

func newSigner(t *testing.T, c *testkit.Clock) *token.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner([]token.Key{{Private: key}}, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// start starts an auth; change adapts its configuration.
func start(t *testing.T, change ...func(*auth.Config)) *fixture {
	t.Helper()
	st, err := localstore.Open(t.Context(), localstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return startOn(t, st, testkit.NewClock(), change...)
}

func startOn(t *testing.T, st store.Store, c *testkit.Clock, change ...func(*auth.Config)) *fixture {
	t.Helper()
	b := &fixture{clock: c, store: st, signer: newSigner(t, c), metrics: prometheus.NewRegistry(), logs: &testkit.LogBuffer{}}
	log, err := httpserver.NewLogger(b.logs, "debug", "json")
	if err != nil {
		t.Fatal(err)
	}
	cfg := auth.Config{
		Users: st.Users, Sessions: st.Sessions, Invitations: st.Invitations, Bindings: st.Bindings, PersonalTokens: st.PersonalTokens, Audit: st.Audit, Limits: st.Limits, Erasures: st.Erasures, Tasks: st.Tasks, Format: st.Format, Signer: b.signer, Log: log, Now: c.Now, Registerer: b.metrics,
	}
	for _, f := range change {
		f(&cfg)
	}
	if b.service, err = auth.New(cfg); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(httpserver.Observe(b.service.Handler(), log, b.metrics))
	t.Cleanup(srv.Close)
	b.url = srv.URL
	if b.Client, err = client.New(srv.URL, srv.Client()); err != nil {
		t.Fatal(err)
	}
	return b
}

const password = "correct horse battery"

// register creates the account and signs it in.
func (b *fixture) register(t *testing.T, name string) api.Tokens {
	t.Helper()
	got, err := b.Register(t.Context(), api.Credentials{Name: name, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// send sends a raw request and returns the response with its error, if any.
func (b *fixture) send(t *testing.T, method, path, body string, header ...string) (*http.Response, api.Error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var e api.ErrorBody
	if res.StatusCode >= http.StatusBadRequest {
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("%d with body %q: %v", res.StatusCode, raw, err)
		}
	}
	return res, e.Error
}

func wantCode(t *testing.T, err error, want sx.Code) {
	t.Helper()
	if got := sx.CodeOf(err); got != want {
		t.Fatalf("got code %q (%v), want %q", got, err, want)
	}
}

func TestAccountLifecycle(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.clock.Advance(300 * time.Millisecond) // the time is usually not a whole second
	reg := b.register(t, " Ada@Example.org ")
	if reg.User.Name != "ada@example.org" || reg.User.ID == "" || !reg.User.Created.Equal(b.clock.Now()) {
		t.Fatalf("got user %+v", reg.User)
	}
	if reg.ExpiresIn < 598 || reg.ExpiresIn > 600 {
		t.Fatalf("got expires_in %d, want ten minutes", reg.ExpiresIn)
	}
	login, err := b.Login(t.Context(), api.Credentials{Name: "ADA@example.org", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	if login.User != reg.User || login.AccessToken == reg.AccessToken || login.RefreshToken == reg.RefreshToken {
		t.Fatalf("got %+v after %+v", login, reg)
	}
	// Another service can verify the token with only the published keys.
	claims, err := token.NewVerifier(token.FetchURL(http.DefaultClient, b.url+api.PathKeys), b.clock.Now).
		Verify(t.Context(), login.AccessToken)
	if err != nil || claims.UserID != reg.User.ID || claims.UserName != "ada@example.org" || !strings.HasPrefix(login.RefreshToken, claims.SessionID+".") {
		t.Fatalf("got %+v, error %v", claims, err)
	}
	if res, _ := b.send(t, http.MethodGet, api.PathMe, "", "Authorization", "Bearer "+login.AccessToken); res.StatusCode != http.StatusOK {
		t.Fatalf("me: got %d", res.StatusCode)
	}
	next, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: login.RefreshToken})
	if err != nil || next.User != reg.User {
		t.Fatalf("got %+v, error %v", next, err)
	}
	for range 2 { // repeating it changes nothing
		if err := b.Logout(t.Context(), next.RefreshToken); err != nil {
			t.Fatal(err)
		}
	}
	_, err = b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: next.RefreshToken})
	wantCode(t, err, sx.CodeSessionEnded)
	// The user's other sign-in is not affected.
	if _, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: reg.RefreshToken}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{password, login.AccessToken, login.RefreshToken, next.RefreshToken} {
		if strings.Contains(b.logs.String(), secret) {
			t.Errorf("a secret is in the log")
		}
	}
}

func TestStoredSecretsAreHashed(t *testing.T) {
	t.Parallel()
	b := start(t)
	reg := b.register(t, "ada")
	user, err := b.store.Users.ByName(t.Context(), "ada")
	if err != nil || !strings.HasPrefix(user.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("got hash %q, error %v", user.PasswordHash, err)
	}
	id, secret, _ := strings.Cut(reg.RefreshToken, ".")
	session, err := b.store.Sessions.ByID(t.Context(), id)
	if err != nil || len(secret) != 43 || len(session.Current) != 64 || strings.Contains(session.Current, secret) {
		t.Fatalf("got %+v of token %q, error %v", session, reg.RefreshToken, err)
	}
	if want := b.clock.Now().Add(30 * 24 * time.Hour); !session.Expires.Equal(want) {
		t.Fatalf("got %v, want %v", session.Expires, want)
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.register(t, "ada")
	tests := []struct {
		name  string
		input api.Credentials
		want  sx.Code
	}{
		{"name taken", api.Credentials{Name: "Ada", Password: password}, sx.CodeNameTaken},
		{"no name", api.Credentials{Password: password}, sx.CodeInvalid},
		{"bad name", api.Credentials{Name: "a b", Password: password}, sx.CodeInvalid},
		{"no password", api.Credentials{Name: "bob"}, sx.CodeInvalid},
		{"short password", api.Credentials{Name: "bob", Password: "1234567"}, sx.CodeInvalid},
		{"long password", api.Credentials{Name: "bob", Password: strings.Repeat("a", 1025)}, sx.CodeInvalid},
		{"password is the name", api.Credentials{Name: "bob.miller", Password: "Bob.Miller"}, sx.CodeInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := b.Register(t.Context(), tt.input)
			wantCode(t, err, tt.want)
			if e := sx.AsError(err); e.Hint == "" || e.Hint == sx.CodeInvalid.Hint() {
				t.Errorf("got hint %q, want a specific one", e.Hint)
			}
		})
	}
	for _, ok := range []api.Credentials{
		{Name: "bob", Password: "12345678"},
		{Name: "eve", Password: strings.Repeat("\x01", 1024)}, // the longest body: \u0001 each
	} {
		if _, err := b.Register(t.Context(), ok); err != nil {
			t.Errorf("%s: %v", ok.Name, err)
		}
		if _, err := b.Login(t.Context(), ok); err != nil {
			t.Errorf("%s: %v", ok.Name, err)
		}
	}
}

func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.register(t, "ada")
	tests := []struct {
		name  string
		input api.Credentials
	}{
		{"wrong password", api.Credentials{Name: "ada", Password: "incorrect horse"}},
		{"no password", api.Credentials{Name: "ada"}},
		{"another case", api.Credentials{Name: "ada", Password: strings.ToUpper(password)}},
		{"a password longer than any account's", api.Credentials{Name: "ada", Password: strings.Repeat("a", 2000)}},
		{"unknown name", api.Credentials{Name: "bob", Password: password}},
		{"an invalid name", api.Credentials{Name: "../ada", Password: password}},
		{"no name", api.Credentials{Password: password}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := b.Login(t.Context(), tt.input)
			wantCode(t, err, sx.CodeBadCredentials)
			if err.Error() != "wrong name or password" {
				t.Errorf("got %q, which reveals whether the name exists", err)
			}
		})
	}
}

// TestPasswordIsNormalised checks that an accented letter typed as one code
// point or as two is the same password.
func TestPasswordIsNormalised(t *testing.T) {
	t.Parallel()
	b := start(t)
	composed, decomposed := "caf\u00e9 au lait", "cafe\u0301 au lait"
	if _, err := b.Register(t.Context(), api.Credentials{Name: "ada", Password: decomposed}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Login(t.Context(), api.Credentials{Name: "ada", Password: composed}); err != nil {
		t.Fatal(err)
	}
}

// TestUnknownNameTakesAsLong checks that an unknown name takes as long as a
// wrong password.
func TestUnknownNameTakesAsLong(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.register(t, "ada")
	login := func(name string) time.Duration {
		started := time.Now()
		_, err := b.Login(t.Context(), api.Credentials{Name: name, Password: "wrong password"})
		took := time.Since(started)
		wantCode(t, err, sx.CodeBadCredentials)
		return took
	}
	wrong, unknown := time.Hour, time.Hour
	for range 5 { // in turn, because the machine may become slower
		wrong, unknown = min(wrong, login("ada")), min(unknown, login("bob"))
	}
	if unknown < wrong/10 { // without hashing, it would take a fiftieth
		t.Fatalf("an unknown name takes %v, a wrong password %v", unknown, wrong)
	}
}

func TestParallelLogins(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.register(t, "ada")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := b.Login(t.Context(), api.Credentials{Name: "ada", Password: password})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := b.Refresh(t.Context(), api.RefreshRequest{RefreshToken: got.RefreshToken}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestParallelRegistrations(t *testing.T) {
	t.Parallel()
	b := start(t)
	codes := make(chan sx.Code, 6)
	var wg sync.WaitGroup
	for range cap(codes) {
		wg.Go(func() {
			_, err := b.Register(t.Context(), api.Credentials{Name: "ada", Password: password})
			codes <- sx.CodeOf(err)
		})
	}
	wg.Wait()
	close(codes)
	count := map[sx.Code]int{}
	for c := range codes {
		count[c]++
	}
	if count[""] != 1 || count[sx.CodeNameTaken] != 5 {
		t.Fatalf("got %v", count)
	}
}

func TestMe(t *testing.T) {
	t.Parallel()
	b := start(t)
	reg := b.register(t, "ada")
	stranger, _, err := newSigner(t, b.clock).Sign(token.Claims{UserID: reg.User.ID, SessionID: "s"})
	if err != nil {
		t.Fatal(err)
	}
	ghost, _, err := b.signer.Sign(token.Claims{UserID: "gone", SessionID: "s"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, header, want string }{
		{"nothing", "", "you are not signed in"},
		{"basic", "Basic YTpi", "you are not signed in"},
		{"garbage", "Bearer abc", "the access token is not valid"},
		{"a stranger's key", "Bearer " + stranger, "the access token is signed with an unknown key"},
		{"a deleted user", "Bearer " + ghost, "this account no longer exists"},
		{"a refresh token", "Bearer " + reg.RefreshToken, "the access token is not valid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, e := b.send(t, http.MethodGet, api.PathMe, "", "Authorization", tt.header)
			if res.StatusCode != http.StatusUnauthorized || e.Code != sx.CodeUnauthenticated || e.Message != tt.want {
				t.Errorf("got %d %+v, want %q", res.StatusCode, e, tt.want)
			}
			if got := res.Header.Get("WWW-Authenticate"); got != "Bearer" {
				t.Errorf("got WWW-Authenticate %q", got)
			}
		})
	}
	b.clock.Advance(10*time.Minute + 11*time.Second)
	if res, e := b.send(t, http.MethodGet, api.PathMe, "", "Authorization", "Bearer "+reg.AccessToken); res.StatusCode != http.StatusUnauthorized ||
		e.Message != "the access token has expired" {
		t.Errorf("got %d %+v for an old token", res.StatusCode, e)
	}
}

func TestRequestsAreReadStrictly(t *testing.T) {
	t.Parallel()
	b := start(t)
	good := `{"name":"ada","password":"` + password + `"}`
	tests := []struct {
		name, method, path, body, contentType string
		status                                int
		code                                  sx.Code
	}{
		{"no JSON", "POST", api.PathLogin, "hello", "application/json", 400, sx.CodeInvalid},
		{"a list", "POST", api.PathLogin, "[]", "application/json", 400, sx.CodeInvalid},
		{"a wrong type", "POST", api.PathLogin, `{"name":1}`, "application/json", 400, sx.CodeInvalid},
		{"an unknown field", "POST", api.PathLogin, `{"name":"ada","pasword":"x"}`, "application/json", 400, sx.CodeInvalid},
		{"trailing data", "POST", api.PathLogin, good + "{}", "application/json", 400, sx.CodeInvalid},
		{"empty", "POST", api.PathRefresh, "", "application/json", 400, sx.CodeInvalid},
		{"cut", "POST", api.PathLogin, good[:10], "application/json", 400, sx.CodeInvalid},
		{"a form", "POST", api.PathLogin, "name=ada", "application/x-www-form-urlencoded", 400, sx.CodeInvalid},
		{"JSON as text, as forms can send it", "POST", api.PathLogout, `{"refresh_token":"x"}`, "text/plain", 400, sx.CodeInvalid},
		{"too large", "POST", api.PathRegister, `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, "application/json", 413, sx.CodeTooLarge},
		{"wrong method", "GET", api.PathLogin, "", "", 405, sx.CodeInvalid},
		{"wrong method for keys", "DELETE", api.PathKeys, "", "", 405, sx.CodeInvalid},
		{"unknown path", "GET", "/v1/auth/nothing", "", "", 404, sx.CodeNotFound},
		{"with a charset", "POST", api.PathRegister, good, "application/json; charset=utf-8", 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, e := b.send(t, tt.method, tt.path, tt.body, "Content-Type", tt.contentType)
			if res.StatusCode != tt.status || e.Code != tt.code || (e.Code != "" && (e.Message == "" || e.Hint == "")) {
				t.Fatalf("got %d %+v, want %d %q", res.StatusCode, e, tt.status, tt.code)
			}
		})
	}
}

// disconnecting is a body whose client disconnects while it is read.
type disconnecting struct{ leave context.CancelFunc }

func (l disconnecting) Read([]byte) (int, error) {
	l.leave()
	return 0, io.ErrUnexpectedEOF
}

// TestClientDisconnects checks that a client's disconnect is logged neither as
// a failure of the server nor as an invalid request.
func TestClientDisconnects(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, api.PathLogin, disconnecting{cancel})
	req.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	b.service.Handler().ServeHTTP(answer, req)
	if answer.Body.Len() != 0 {
		t.Errorf("got the answer %q", answer.Body)
	}
	if got := b.logs.String(); strings.Contains(got, "request failed") {
		t.Errorf("got log %s", got)
	}
}

func TestRunRemovesExpiredSessions(t *testing.T) {
	t.Parallel()
	b := start(t)
	old := b.register(t, "ada")
	b.clock.Advance(29 * 24 * time.Hour)
	young := b.register(t, "bob")
	b.clock.Advance(2 * 24 * time.Hour)
	sessionOf := func(r api.Tokens) error {
		id, _, _ := strings.Cut(r.RefreshToken, ".")
		_, err := b.store.Sessions.ByID(t.Context(), id)
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.service.Run(ctx) }()
	testkit.Eventually(t, "the old session is removed", func() bool { return sx.CodeOf(sessionOf(old)) == sx.CodeNotFound })
	if err := sessionOf(young); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
