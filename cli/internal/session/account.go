// Package session signs sx in at a server, keeps the sign-in in the system's
// keyring or a file, renews it, and authenticates requests. Several processes may
// use the same account at once.
package session

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Account is the account used at one server.
type Account struct {
	name   string // the key in the store
	server *url.URL
	store  *Store
	base   http.RoundTripper
	open   *client.Client // sends no token

	personal string // a personal token, "" for the stored sign-in
	tunnel   bool   // requests travel inside a connection that is encrypted

	renewing sync.Mutex // at most one goroutine talks to the store
	mu       sync.Mutex
	current  SignIn // the newest known; zero before the first use
	bad      string // the access token that the server refused last
}

// NewAccount makes the account of the given name at a server. Requests go through base.
func NewAccount(name, server string, store *Store, base http.RoundTripper) (*Account, error) {
	open, err := client.New(server, &http.Client{Transport: base, CheckRedirect: refuseRedirect})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "%q is not the address of a server", server).WithCause(err)
	}
	return &Account{name: name, server: u, store: store, base: base, open: open}, nil
}

// UseToken makes requests carry a personal token instead of the stored sign-in.
// It is to be called before the first request.
func (a *Account) UseToken(token string) { a.personal = token }

// UseTunnel says that requests travel inside a connection that is encrypted,
// whatever the server's address.
func (a *Account) UseTunnel() { a.tunnel = true }

// refuseRedirect keeps passwords and tokens from following a redirection.
func refuseRedirect(req *http.Request, _ []*http.Request) error {
	return sx.NewError(sx.CodeInvalid, "the server redirects to %s://%s", req.URL.Scheme, req.URL.Host).
		WithHint("if you trust that address, use: sx --server %s://%s …", req.URL.Scheme, req.URL.Host)
}

// Client calls the server signed in as the account. A question that the server
// cannot answer just now (502, 503, 504) is asked again for about two seconds.
func (a *Account) Client() (*client.Client, error) {
	return client.New(a.server.String(), &http.Client{Transport: again{transport{a}}, CheckRedirect: refuseRedirect})
}

// Register makes an account on the server and signs it in.
func (a *Account) Register(ctx context.Context, c api.Credentials) (api.User, error) {
	return a.signIn(ctx, func() (api.Tokens, error) { return a.open.Register(ctx, c) })
}

// Login signs in.
func (a *Account) Login(ctx context.Context, c api.Credentials) (api.User, error) {
	return a.signIn(ctx, func() (api.Tokens, error) { return a.open.Login(ctx, c) })
}

// ChangePassword gives the signed-in account another password, and goes on with
// the sign-in that the server answers with: all others end.
func (a *Account) ChangePassword(ctx context.Context, in api.PasswordChange) (api.User, error) {
	signed, err := a.Client()
	if err != nil {
		return api.User{}, err
	}
	return a.signIn(ctx, func() (api.Tokens, error) { return signed.ChangePassword(ctx, in) })
}

func (a *Account) signIn(ctx context.Context, ask func() (api.Tokens, error)) (api.User, error) {
	tokens, err := ask()
	if err != nil {
		return api.User{}, err
	}
	in := fromTokens(tokens)
	err = a.store.Update(ctx, a.name, func(*SignIn) (*SignIn, error) { return &in, nil })
	if err != nil {
		return api.User{}, err
	}
	a.remember(in)
	return tokens.User, nil
}

// Logout forgets the sign-in and ends it on the server. It returns the name
// that was signed in, "" when there was none. Untold says why the server could
// not be told; the sign-in is forgotten here all the same.
func (a *Account) Logout(ctx context.Context) (name string, untold, err error) {
	var token string
	err = a.store.Update(ctx, a.name, func(in *SignIn) (*SignIn, error) {
		if in != nil {
			name, token = in.User, in.RefreshToken
		}
		return nil, nil
	})
	if err != nil || token == "" {
		return name, nil, err
	}
	a.remember(SignIn{})
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	if untold = a.open.Logout(ctx, token); ended(untold) {
		untold = nil
	}
	return name, untold, nil
}

// Token gives a token that the server takes: the personal one, else the stored
// sign-in's access token, renewed if need be. Without either it is an sx.Error of
// code unauthenticated.
func (a *Account) Token(ctx context.Context) (string, error) {
	if a.personal != "" {
		return a.personal, nil
	}
	return a.token(ctx)
}

// Server is the server's URL.
func (a *Account) Server() string { return a.server.String() }

// WarnIfPlain writes a warning when the password would travel unencrypted to
// another machine.
func (a *Account) WarnIfPlain(w io.Writer) {
	host := a.server.Hostname()
	if ip := net.ParseIP(host); a.tunnel || a.server.Scheme == "https" || host == "localhost" || ip != nil && ip.IsLoopback() {
		return
	}
	_, _ = fmt.Fprintf(w, "warning: the password is sent to %s unencrypted; use an https:// address if possible\n", a.server.Host)
}

// WarnIfToken writes a warning when requests carry a personal token, so that the
// sign-in is not what commands use.
func (a *Account) WarnIfToken(w io.Writer) {
	if a.personal != "" {
		_, _ = fmt.Fprintln(w, "warning: commands still use the personal token in SX_TOKEN")
	}
}

// ended reports whether the server does not know a refresh token any more.
func ended(err error) bool {
	code := sx.CodeOf(err)
	return code == sx.CodeSessionEnded || code == sx.CodeUnauthenticated
}

func fromTokens(t api.Tokens) SignIn {
	return SignIn{
		User: t.User.Name, AccessToken: t.AccessToken, RefreshToken: t.RefreshToken,
		Expires: time.Now().Add(time.Duration(t.ExpiresIn) * time.Second).Round(0).UTC(),
	}
}

func (a *Account) remember(in SignIn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current = in
}

// refuse notes that the server does not take the access token any more.
func (a *Account) refuse(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bad = token
}

func (a *Account) known() (in SignIn, bad string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current, a.bad
}
