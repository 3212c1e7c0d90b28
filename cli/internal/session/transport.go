package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// margin is how long before it expires an access token is renewed, so that it is
// still valid when the request arrives.
const margin = 30 * time.Second

// renewTimeout bounds a renewal, because other processes wait for it.
const renewTimeout = 30 * time.Second

// transport adds the account's access token to each request.
type transport struct{ account *Account }

// RoundTrip implements http.RoundTripper. It renews a token that is about to
// expire. If the server refuses the token, it renews it and sends the request once
// more, if the request can be sent again.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	a := t.account
	if req.URL.Scheme != a.server.Scheme || req.URL.Host != a.server.Host {
		return nil, sx.NewError(sx.CodeInternal, "a request to %s must not carry the token for %s", req.URL.Host, a.server.Host)
	}
	fixed, err := a.fixed()
	switch {
	case err != nil:
		closeBody(req)
		return nil, err
	case a.personal != "":
		return a.base.RoundTrip(signed(req, fixed))
	case fixed != "":
		return a.roundTripAsOwner(req, fixed)
	}
	token, err := a.token(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	res, err := a.base.RoundTrip(signed(req, token))
	if err != nil || res.StatusCode != http.StatusUnauthorized || !refused(res) {
		return res, err
	}
	a.refuse(token)
	again, ok := replay(req)
	if !ok {
		return res, nil
	}
	fresh, err := a.token(req.Context())
	if err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	_ = res.Body.Close()
	return a.base.RoundTrip(signed(again, fresh))
}

// roundTripAsOwner sends a request with the owner's token. If the server has been
// restarted since it was read, it sends the request once more with the new token. If
// the request cannot be sent again, the error says that the caller may try.
func (a *Account) roundTripAsOwner(req *http.Request, token string) (*http.Response, error) {
	res, err := a.base.RoundTrip(signed(req, token))
	if err != nil || res.StatusCode != http.StatusUnauthorized || !refused(res) {
		return res, err
	}
	fresh := a.owner()
	if fresh == "" || fresh == token {
		return res, nil
	}
	_ = res.Body.Close()
	again, ok := replay(req)
	if !ok {
		return nil, sx.NewError(sx.CodeUnavailable, "the local server was restarted")
	}
	return a.base.RoundTrip(signed(again, fresh))
}

func signed(req *http.Request, token string) *http.Request {
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+token)
	return out
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// replay returns the request for another try, if its body can be sent again.
func replay(req *http.Request) (*http.Request, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	out := req.Clone(req.Context())
	out.Body = body
	return out, true
}

// refused reports whether the server refused the access token, and not a proxy something
// else. The response's body can be read again afterwards.
func refused(res *http.Response) bool {
	if res.Request.Method == http.MethodHead { // it has no body
		return strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer")
	}
	const limit = 64 << 10
	raw, err := io.ReadAll(io.LimitReader(res.Body, limit))
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(raw))
	var body api.ErrorBody
	return err == nil && json.Unmarshal(raw, &body) == nil && body.Error.Code == sx.CodeUnauthenticated
}

// token returns an access token that the server has not refused, renewed if necessary.
func (a *Account) token(ctx context.Context) (string, error) {
	if in, bad := a.known(); usable(in, bad) {
		return in.AccessToken, nil
	}
	a.renewing.Lock()
	defer a.renewing.Unlock()
	in, bad := a.known()
	if usable(in, bad) {
		return in.AccessToken, nil
	}
	user, err := a.inUse()
	if err != nil {
		return "", err
	}
	if user == "" {
		return "", a.signedOut(ctx)
	}
	key := Key{a.id, user}
	if in, err := a.store.Get(key); err == nil && usable(in, bad) {
		a.remember(in)
		return in.AccessToken, nil
	}
	// First a key, with which another process can repeat the renewal, however much later: the
	// response may get lost, or this process be killed before it has stored it.
	err = a.store.Update(ctx, key, func(stored *Session) (*Session, error) {
		if stored != nil && !usable(*stored, bad) && stored.RenewalKey == "" {
			stored.RenewalKey = rand.Text()
		}
		return stored, nil
	})
	if err != nil {
		return "", err
	}
	var fresh Session
	err = a.store.Update(ctx, key, func(stored *Session) (*Session, error) {
		if stored == nil {
			return nil, a.signedOut(ctx)
		}
		if usable(*stored, bad) { // another process was faster
			fresh = *stored
			return stored, nil
		}
		ctx, cancel := context.WithTimeout(ctx, renewTimeout)
		defer cancel()
		tokens, err := a.open.Refresh(ctx, api.RefreshRequest{RefreshToken: stored.RefreshToken, IdempotencyKey: stored.RenewalKey})
		if ended(err) {
			return nil, sx.NewError(sx.CodeSessionEnded, "the session of %s at %s has ended", stored.User, a.server.Host).WithCause(err)
		}
		if err != nil {
			return stored, err
		}
		fresh = fromTokens(tokens)
		return &fresh, nil
	})
	if err != nil {
		return "", err
	}
	a.remember(fresh)
	return fresh.AccessToken, nil
}

func usable(in Session, bad string) bool {
	return in.AccessToken != "" && in.AccessToken != bad && time.Until(in.Expires) > margin
}

// signedOut returns the error of an account that is not signed in, or says that there
// is no server to sign in to.
func (a *Account) signedOut(ctx context.Context) error {
	if err := a.Check(ctx); err != nil {
		return err
	}
	err := sx.NewError(sx.CodeUnauthenticated, "not signed in to %s", a.server.Host)
	if others := a.Others(); len(others) > 0 {
		return err.WithHint("use another account with: %s, or sign in with: %s",
			nextcmd.Line("sx", "auth", "switch", others[0]), nextcmd.Line("sx", "login"))
	}
	return err
}
