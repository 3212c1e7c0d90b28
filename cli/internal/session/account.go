// Package session signs sx in to a server, stores the session in the system's
// keyring or a file, renews it, and authenticates requests. Several processes may
// use the same account at once.
package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Account is the account used with one server: that of a personal token, else the one
// in use in the store, else the owner of a local server.
type Account struct {
	id     string // of the server in the store
	server *url.URL
	store  *Store
	base   http.RoundTripper
	open   *client.Client // without authentication

	personal string // a personal token; "" for the stored session
	tunnel   bool   // requests travel in an encrypted tunnel
	// owner returns the token of the local server's owner, "" if there is none now. It is
	// nil for other servers.
	owner func() string

	renewing sync.Mutex // one goroutine at a time renews the access token
	mu       sync.Mutex
	user     *string // the account in use in the store, "" if none; nil before the first use
	current  Session // the newest known; zero before the first use
	bad      string  // the access token that the server refused last
}

// NewAccount returns the account that is in use, according to the store, on the server
// with an ID (config.Config's Account) at the given URL. Requests go through base.
func NewAccount(id, server string, store *Store, base http.RoundTripper) (*Account, error) {
	open, err := client.New(server, &http.Client{Transport: base, CheckRedirect: refuseRedirect})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "%q is not a server address", server).WithCause(err)
	}
	return &Account{id: id, server: u, store: store, base: base, open: open}, nil
}

// UseToken makes requests carry a personal token instead of the stored session's.
// It must be called before the first request.
func (a *Account) UseToken(token string) { a.personal = token }

// UseOwner makes requests carry the token of a local server's owner if no account is in
// use in the store. token returns it, or "" if there is none: the server does not run, or
// wants passwords. It is called for each request, because each start of the server
// creates another token.
func (a *Account) UseOwner(token func() string) { a.owner = token }

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

// CheckRegistration returns an error if the server creates accounts by invitation only,
// or not at all, so that nobody chooses a password in vain. name is for the hint; "" if
// it is unknown.
func (a *Account) CheckRegistration(ctx context.Context, name string) error {
	mode, err := a.open.Registration(ctx)
	if err != nil {
		return err
	}
	switch mode.Mode {
	case api.RegistrationInvitation:
		return nextcmd.WithHint(sx.NewError(sx.CodeRegistrationClosed, "%s accepts new accounts by invitation only", a.server.Host),
			"ask its administrator for an invitation code, then use: %s", nextcmd.Command{"register", cmp.Or(name, "NAME"), "--invitation"})
	case api.RegistrationClosed:
		return nextcmd.WithHint(sx.NewError(sx.CodeRegistrationClosed, "%s accepts no new accounts", a.server.Host),
			"ask its administrator for an account; if you have one, use: %s", nextcmd.Command{"login"})
	default:
		return nil
	}
}

// Register creates an account on the server and signs in to it.
func (a *Account) Register(ctx context.Context, c api.Credentials) (api.User, error) {
	return a.signIn(ctx, func() (api.Tokens, error) { return a.open.Register(ctx, c) })
}

// Login signs in.
func (a *Account) Login(ctx context.Context, c api.Credentials) (api.User, error) {
	return a.signIn(ctx, func() (api.Tokens, error) { return a.open.Login(ctx, c) })
}

// Recover sets a new password with a code of an administrator, and signs in.
func (a *Account) Recover(ctx context.Context, in api.Recovery) (api.User, error) {
	return a.signIn(ctx, func() (api.Tokens, error) { return a.open.Recover(ctx, in) })
}

// ChangePassword changes the signed-in account's password and stores the new
// session that the server returns; the server ends all others. With the owner's token
// of a local server the old password is not needed.
func (a *Account) ChangePassword(ctx context.Context, in api.PasswordChange) (api.User, error) {
	signed, err := a.Client()
	if err != nil {
		return api.User{}, err
	}
	if a.IsOwner() { // whom the owner's token still signs in
		tokens, err := signed.ChangePassword(ctx, in)
		if err == nil {
			_ = a.open.Logout(ctx, tokens.RefreshToken)
		}
		return tokens.User, err
	}
	return a.signIn(ctx, func() (api.Tokens, error) { return signed.ChangePassword(ctx, in) })
}

// HasPassword reports whether the signed-in account has a password. Those whose owner signs
// in through the organisation may have none.
func (a *Account) HasPassword(ctx context.Context) (bool, error) {
	signed, err := a.Client()
	if err != nil {
		return false, err
	}
	me, err := signed.Me(ctx)
	return me.Password, err
}

// Delete begins the deletion of the signed-in account, and deletes its stored session.
func (a *Account) Delete(ctx context.Context, in api.AccountDeletion) (api.Erasure, error) {
	signed, err := a.Client()
	if err != nil {
		return api.Erasure{}, err
	}
	out, err := signed.DeleteAccount(ctx, in)
	if err != nil {
		return api.Erasure{}, err
	}
	_, _, err = a.Logout(ctx, "") // the server has ended the session
	return out, err
}

func (a *Account) signIn(ctx context.Context, ask func() (api.Tokens, error)) (api.User, error) {
	tokens, err := ask()
	if err != nil {
		return api.User{}, err
	}
	in := fromTokens(tokens)
	if err := a.store.SignIn(ctx, a.id, in); err != nil {
		return api.User{}, err
	}
	a.remember(in)
	return tokens.User, nil
}

// Logout deletes the stored session of an account, or if name is "" of the one in use,
// and ends it on the server. It returns the name of the user who was signed in, or "".
// serverErr says why the session could not be ended on the server; the stored one is
// deleted all the same.
func (a *Account) Logout(ctx context.Context, name string) (was string, serverErr, err error) {
	current, err := a.inUse()
	if err != nil {
		return "", nil, err
	}
	if name == "" {
		name = current
	}
	if name == "" {
		return "", nil, nil
	}
	in, err := a.store.SignOut(ctx, Key{a.id, name})
	switch {
	case errors.Is(err, ErrNoSession):
		return "", nil, nil
	case err != nil:
		return "", nil, err
	}
	if name == current {
		a.remember(Session{})
	}
	if in.RefreshToken == "" {
		return name, nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	if serverErr = a.open.Logout(ctx, in.RefreshToken); ended(serverErr) {
		serverErr = nil
	}
	return name, serverErr, nil
}

// Token returns the token that requests carry: the personal token, or else the stored
// session's access token, renewed if necessary, or the owner's token. Without any, the
// error is an *sx.Error of code unauthenticated, or says that the server does not answer.
func (a *Account) Token(ctx context.Context) (string, error) {
	fixed, err := a.fixed()
	if err != nil || fixed != "" {
		return fixed, err
	}
	return a.token(ctx)
}

// fixed returns the personal token, or the owner's token if no account is in use in
// the store; "" if requests carry a session's access token.
func (a *Account) fixed() (string, error) {
	if a.personal != "" {
		return a.personal, nil
	}
	if a.owner == nil {
		return "", nil
	}
	if user, err := a.inUse(); err != nil || user != "" {
		return "", err
	}
	return a.owner(), nil
}

// IsOwner reports whether requests carry the token of a local server's owner.
func (a *Account) IsOwner() bool {
	token, err := a.fixed()
	return err == nil && token != "" && a.personal == ""
}

// inUse returns the name of the account in use in the store, or "". It stays the same
// for the whole run, whatever other processes do.
func (a *Account) inUse() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.user == nil {
		user, err := a.store.Current(a.id)
		if err != nil {
			return "", err
		}
		a.user = &user
	}
	return *a.user, nil
}

// Use makes another account the one in use on the server: one that is signed in, or
// with name "" that of the owner of a local server.
func (a *Account) Use(ctx context.Context, name string) error {
	if err := a.store.Use(ctx, Key{a.id, name}); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current, a.user = Session{}, &name
	return nil
}

// InUse returns the name of the account in use: "" if none is signed in, or if requests
// carry the token of a local server's owner or a personal token.
func (a *Account) InUse() (string, error) {
	if a.personal != "" {
		return "", nil
	}
	return a.inUse()
}

// HasOwner reports whether the server is a local one that signs in its owner now.
func (a *Account) HasOwner() bool { return a.owner != nil && a.owner() != "" }

// Others returns the names of the accounts that are signed in to the server but not in
// use.
func (a *Account) Others() []string { return a.names(false) }

// Names returns the names of all accounts that are signed in to the server.
func (a *Account) Names() []string { return append(a.names(true), a.names(false)...) }

func (a *Account) names(current bool) (names []string) {
	all, err := a.store.List()
	if err != nil {
		return nil
	}
	for _, s := range all {
		if s.Server == a.id && s.Current == current {
			names = append(names, s.User)
		}
	}
	return names
}

// MentionOthers writes how to use the other accounts that are signed in to the server,
// if there are any; next returns a command line of sx.
func (a *Account) MentionOthers(w io.Writer, next func(args ...string) string) {
	if others := a.Others(); len(others) > 0 {
		_, _ = fmt.Fprintf(w, "also signed in: %s; switch with: %s\n", strings.Join(others, ", "), next("auth", "switch", others[0]))
	}
}

// Check checks that a SoundExtract server answers, before a command asks for anything.
func (a *Account) Check(parent context.Context) error {
	ctx, cancel := context.WithTimeout(parent, checkTimeout)
	defer cancel()
	err := a.open.Check(ctx)
	if parent.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return &client.Unreachable{Server: a.server.Host, Err: err}
	}
	return err
}

// checkTimeout is how long a server may take to answer Check.
const checkTimeout = 15 * time.Second

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
	a.current, a.user = in, &in.User
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
