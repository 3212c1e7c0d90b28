// Package session signs sx in to a server, stores the session in the system's
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

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Account is the account used with one server.
type Account struct {
	name   string // the key in the store
	server *url.URL
	store  *Store
	base   http.RoundTripper
	open   *client.Client // without authentication

	personal string // a personal token; "" for the stored session
	tunnel   bool   // requests travel in an encrypted tunnel

	renewing sync.Mutex // one goroutine at a time renews the access token
	mu       sync.Mutex
	current  Session // the newest known; zero before the first use
	bad      string  // the access token that the server refused last
}

// NewAccount returns the account that the store has under name, for the server at
// the given URL. Requests go through base.
func NewAccount(name, server string, store *Store, base http.RoundTripper) (*Account, error) {
	open, err := client.New(server, &http.Client{Transport: base, CheckRedirect: refuseRedirect})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "%q is not a server address", server).WithCause(err)
	}
	return &Account{name: name, server: u, store: store, base: base, open: open}, nil
}

// UseToken makes requests carry a personal token instead of the stored session's.
// It must be called before the first request.
func (a *Account) UseToken(token string) { a.personal = token }

// UseTunnel records that requests travel in an encrypted tunnel, whatever the
// server's address.
func (a *Account) UseTunnel() { a.tunnel = true }

// refuseRedirect keeps passwords and tokens from following a redirect.
func refuseRedirect(req *http.Request, _ []*http.Request) error {
	return sx.NewError(sx.CodeForeign, "the server redirects to %s://%s", req.URL.Scheme, req.URL.Host).
		WithHint("on a public network, sign in to it in a browser first; if you trust that address, use: %s …", nextcmd.Line("sx", "--server", req.URL.Scheme+"://"+req.URL.Host))
}

// Client returns a client that is signed in as the account. GET and HEAD requests
// that the server answers with 502, 503 or 504 are retried for about two seconds.
func (a *Account) Client() (*client.Client, error) {
	return client.New(a.server.String(), &http.Client{Transport: retryTransport{transport{a}}, CheckRedirect: refuseRedirect})
}

// Register creates an account on the server and signs in to it.
func (a *Account) Register(ctx context.Context, c api.Credentials) (api.User, error) {
	return a.signIn(ctx, func() (api.Tokens, error) { return a.open.Register(ctx, c) })
}

// Login signs in.
func (a *Account) Login(ctx context.Context, c api.Credentials) (api.User, error) {
	return a.signIn(ctx, func() (api.Tokens, error) { return a.open.Login(ctx, c) })
}

// ChangePassword changes the signed-in account's password and stores the new
// session that the server returns; the server ends all others.
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
	err = a.store.Update(ctx, a.name, func(*Session) (*Session, error) { return &in, nil })
	if err != nil {
		return api.User{}, err
	}
	a.remember(in)
	return tokens.User, nil
}

// Logout deletes the stored session and ends it on the server. It returns the
// name of the user who was signed in, or "". serverErr says why the session could
// not be ended on the server; the stored one is deleted all the same.
func (a *Account) Logout(ctx context.Context) (name string, serverErr, err error) {
	var token string
	err = a.store.Update(ctx, a.name, func(in *Session) (*Session, error) {
		if in != nil {
			name, token = in.User, in.RefreshToken
		}
		return nil, nil
	})
	if err != nil || token == "" {
		return name, nil, err
	}
	a.remember(Session{})
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	if serverErr = a.open.Logout(ctx, token); ended(serverErr) {
		serverErr = nil
	}
	return name, serverErr, nil
}

// Token returns the personal token, or else the stored session's access token,
// renewed if necessary. Without either, the error is an *sx.Error of code
// unauthenticated.
func (a *Account) Token(ctx context.Context) (string, error) {
	if a.personal != "" {
		return a.personal, nil
	}
	return a.token(ctx)
}

// Server returns the server's URL.
func (a *Account) Server() string { return a.server.String() }

// WarnIfUnencrypted writes a warning if the password would travel unencrypted to
// another machine.
func (a *Account) WarnIfUnencrypted(w io.Writer) {
	host := a.server.Hostname()
	if ip := net.ParseIP(host); a.tunnel || a.server.Scheme == "https" || host == "localhost" || ip != nil && ip.IsLoopback() {
		return
	}
	_, _ = fmt.Fprintf(w, "warning: the password is sent to %s unencrypted; use an https:// address if possible\n", a.server.Host)
}

// WarnIfToken writes a warning if requests carry a personal token, because
// commands then do not use the session.
func (a *Account) WarnIfToken(w io.Writer) {
	if a.personal != "" {
		_, _ = fmt.Fprintln(w, "warning: commands still use the personal token in SX_TOKEN")
	}
}

// ended reports whether err says that the server no longer accepts the refresh token.
func ended(err error) bool {
	code := sx.CodeOf(err)
	return code == sx.CodeSessionEnded || code == sx.CodeUnauthenticated
}

func fromTokens(t api.Tokens) Session {
	return Session{
		User: t.User.Name, AccessToken: t.AccessToken, RefreshToken: t.RefreshToken,
		Expires: time.Now().Add(time.Duration(t.ExpiresIn) * time.Second).Round(0).UTC(),
	}
}

func (a *Account) remember(in Session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current = in
}

// refuse records that the server no longer accepts the access token.
func (a *Account) refuse(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bad = token
}

func (a *Account) known() (in Session, bad string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current, a.bad
}
