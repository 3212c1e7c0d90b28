// Package oidcprovider runs a real OpenID provider in the test's process: that of
// zitadel/oidc, with people that the test chooses, and its own page to sign in.
package oidcprovider

import (
	"context"
	"crypto/rand"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"

	"github.com/soundextract/sx/server/testkit"
)

// The client that the provider knows, and the password of everybody.
const (
	ClientID     = "soundextract"
	ClientSecret = "client secret"
	Password     = "open sesame"
)

// Person is somebody whom the provider authenticates.
type Person struct {
	Subject       string
	Name          string // to sign in, and the claim preferred_username
	Email         string
	EmailVerified bool
	Groups        []string
}

// Provider is a running provider.
type Provider struct {
	Issuer string

	tb     testing.TB
	mu     sync.Mutex
	people map[string]Person // by subject
	down   bool
	next   http.Handler
}

// New starts a provider with the people, which stops at the end of the test.
func New(tb testing.TB, people ...Person) *Provider {
	tb.Helper()
	p := &Provider{tb: tb, people: map[string]Person{}}
	for _, who := range people {
		p.people[who.Subject] = who
	}
	server := httptest.NewServer(http.HandlerFunc(p.serve))
	tb.Cleanup(server.Close)
	p.Issuer = server.URL
	return p
}

// Allow lets the provider send browsers back to the addresses, and to no others.
func (p *Provider) Allow(redirects ...string) {
	p.tb.Helper()
	client := storage.WebClient(ClientID, ClientSecret, redirects...)
	data := &people{storage.NewStorageWithClients(p, map[string]*storage.Client{ClientID: client}), p}
	config := &op.Config{CodeMethodS256: true, AuthMethodPost: true, SupportedUILocales: []language.Tag{language.English}}
	_, _ = rand.Read(config.CryptoKey[:]) // never fails
	provider, err := op.NewProvider(config, data, op.StaticIssuer(p.Issuer),
		op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		p.tb.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("GET "+loginPath, func(w http.ResponseWriter, r *http.Request) {
		_ = loginPage.Execute(w, r.FormValue("authRequestID"))
	})
	back := op.AuthCallbackURL(provider)
	login := func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("id")
		if err := data.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), id); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, back(r.Context(), id), http.StatusFound)
	}
	mux.HandleFunc("POST "+loginPath, op.NewIssuerInterceptor(provider.IssuerFromRequest).HandlerFunc(login))
	p.set(func() { p.next = mux })
}

// loginPath is where the storage sends people to sign in.
const loginPath = "/login/username"

var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign in</title>
<form method="post">
<input type="hidden" name="id" value="{{.}}">
<label>Username: <input name="username"></label>
<label>Password: <input name="password" type="password"></label>
<button>Login</button>
</form>`))

// Change replaces what the provider says about a person from now on.
func (p *Provider) Change(who Person) { p.set(func() { p.people[who.Subject] = who }) }

// SetDown makes the provider answer with errors, or not any more.
func (p *Provider) SetDown(down bool) { p.set(func() { p.down = down }) }

func (p *Provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	down, next := p.down, p.next
	p.mu.Unlock()
	if down || next == nil {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	next.ServeHTTP(w, r)
}

// SignIn does what a browser and the person do from the address of a sign-in on, and
// returns what the provider adds to the address of the page.
func (p *Provider) SignIn(tb testing.TB, address, name string) url.Values {
	tb.Helper()
	client := &http.Client{
		Timeout:       testkit.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	form := p.follow(tb, client, address, nil)
	login := url.Values{"username": {name}, "password": {Password}, "id": {form.Query().Get("authRequestID")}}
	callback := p.follow(tb, client, p.Issuer+loginPath, login)
	return p.follow(tb, client, callback.String(), nil).Query()
}

// follow sends a request, with a form unless it is nil, and returns where it redirects to.
func (p *Provider) follow(tb testing.TB, client *http.Client, address string, form url.Values) *url.URL {
	tb.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(tb.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	_ = res.Body.Close()
	to, err := res.Location()
	if err != nil {
		tb.Fatalf("%s: %s does not redirect: %v", address, res.Status, err)
	}
	return to
}

// GetUserByID implements storage.UserStore.
func (p *Provider) GetUserByID(id string) *storage.User {
	p.mu.Lock()
	defer p.mu.Unlock()
	who, ok := p.people[id]
	if !ok {
		return nil
	}
	return &storage.User{
		ID: who.Subject, Username: who.Name, Password: Password, Email: who.Email, EmailVerified: who.EmailVerified,
		PreferredLanguage: language.English,
	}
}

// GetUserByUsername implements storage.UserStore.
func (p *Provider) GetUserByUsername(name string) *storage.User {
	p.mu.Lock()
	subject := ""
	for _, who := range p.people {
		if who.Name == name {
			subject = who.Subject
		}
	}
	p.mu.Unlock()
	return p.GetUserByID(subject)
}

// ExampleClientID implements storage.UserStore.
func (p *Provider) ExampleClientID() string { return storage.ServiceUserID }

func (p *Provider) groups(subject string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.people[subject].Groups
}

// people is the provider's storage, with groups.
type people struct {
	*storage.Storage
	provider *Provider
}

// SetUserinfoFromRequest adds the claims of ID tokens.
func (s *people) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	info.AppendClaims("groups", s.provider.groups(request.GetSubject()))
	return s.Storage.SetUserinfoFromRequest(ctx, info, request, scopes)
}

// SetUserinfoFromToken adds the claims of the endpoint UserInfo.
func (s *people) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, id, subject, origin string) error {
	info.AppendClaims("groups", s.provider.groups(subject))
	return s.Storage.SetUserinfoFromToken(ctx, info, id, subject, origin)
}
