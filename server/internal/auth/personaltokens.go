package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

const (
	maxTokens   = 100         // of one user
	minLifetime = time.Minute // of a token or invitation
	// expiredTokenRetention is how long an expired token is still listed, so
	// that its owner can see why a script stopped working.
	expiredTokenRetention = 30 * 24 * time.Hour
)

// lifetime checks the lifetime in seconds that a client asks for.
func lifetime(seconds int, most time.Duration) (time.Duration, error) {
	if seconds < int(minLifetime.Seconds()) || seconds > int(most.Seconds()) {
		return 0, sx.NewError(sx.CodeInvalid, "invalid expires_in %d", seconds).
			WithHint("specify %d to %d seconds, which is at most %d days", int(minLifetime.Seconds()), int(most.Seconds()), int(most.Hours()/24))
	}
	return time.Duration(seconds) * time.Second, nil
}

func (s *Service) createToken(w http.ResponseWriter, r *http.Request) (err error) {
	var in api.NewToken
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	user, err := s.signedIn(r)
	if err != nil {
		return err
	}
	if err := s.limitChanges(w, user); err != nil {
		return err
	}
	defer func() { s.record(r, user.Name, sx.AuditCreateToken, user.Name, err) }()
	if err := sx.TokenName(in.Name); err != nil {
		return err
	}
	until, err := lifetime(in.ExpiresIn, api.MaxTokenLife)
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	made := sx.PersonalToken{ID: sx.NewID(), UserID: user.ID, Name: in.Name, Created: now, Expires: now.Add(until)}
	secret := token.NewSecret(api.TokenPrefix, made.ID)
	made.Hash = token.Hash(secret)
	if err := s.storeToken(r.Context(), made); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "personal token created", "token", made.ID)
	api.Write(w, http.StatusCreated, api.CreatedToken{PersonalToken: api.FromToken(made), Token: secret})
	return nil
}

// storeToken stores a token unless its user has too many. It counts after it has stored
// the token, and removes the token again if there are too many, so that concurrent
// requests cannot exceed the limit.
func (s *Service) storeToken(ctx context.Context, made sx.PersonalToken) error {
	if err := s.cfg.PersonalTokens.Create(ctx, made); err != nil {
		return err
	}
	list, err := s.cfg.PersonalTokens.List(ctx, made.UserID)
	if err == nil && len(list) > maxTokens {
		err = sx.NewError(sx.CodeConflict, "you have %d tokens, which is the maximum", maxTokens).
			WithHint("revoke one first")
	}
	if err == nil {
		return nil
	}
	// Even if the client is gone: nobody knows the token.
	return errors.Join(err, s.cfg.PersonalTokens.Delete(context.WithoutCancel(ctx), made.ID))
}

func (s *Service) listTokens(w http.ResponseWriter, r *http.Request) error {
	user, err := s.signedIn(r)
	if err != nil {
		return err
	}
	list, err := s.cfg.PersonalTokens.List(r.Context(), user.ID)
	if err != nil {
		return err
	}
	out := api.TokenList{Tokens: make([]api.PersonalToken, len(list))}
	for i, t := range list {
		out.Tokens[i] = api.FromToken(t)
	}
	api.Write(w, http.StatusOK, out)
	return nil
}

// revokeToken removes a token. One of another user is not found.
func (s *Service) revokeToken(w http.ResponseWriter, r *http.Request) (err error) {
	user, err := s.signedIn(r)
	if err != nil {
		return err
	}
	if err := s.limitChanges(w, user); err != nil {
		return err
	}
	defer func() { s.record(r, user.Name, sx.AuditRevokeToken, user.Name, err) }()
	id := r.PathValue("id")
	found, err := s.cfg.PersonalTokens.ByID(r.Context(), id)
	if err == nil && found.UserID != user.ID || sx.CodeOf(err) == sx.CodeNotFound {
		return sx.NewError(sx.CodeNotFound, "personal token %s not found", id).WithHint("list your tokens to see their IDs")
	}
	if err != nil {
		return err
	}
	if err := s.cfg.PersonalTokens.Delete(r.Context(), id); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "personal token revoked", "token", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// byPersonalToken returns the owner of a personal token. Its error does not
// reveal what is wrong with the token.
func (s *Service) byPersonalToken(ctx context.Context, raw string) (sx.User, sx.PersonalToken, error) {
	bad := sx.NewError(sx.CodeUnauthenticated, "the personal token is unknown, revoked or expired").
		WithHint("create another one")
	id := token.SecretID(api.TokenPrefix, raw)
	if id == "" {
		return sx.User{}, sx.PersonalToken{}, bad
	}
	found, err := s.cfg.PersonalTokens.ByID(ctx, id)
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && (!equalSecrets(found.Hash, token.Hash(raw)) || !s.cfg.Now().Before(found.Expires)) {
		return sx.User{}, sx.PersonalToken{}, bad
	}
	if err != nil {
		return sx.User{}, sx.PersonalToken{}, err
	}
	user, err := s.cfg.Users.ByID(ctx, found.UserID)
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && user.Blocked() {
		return sx.User{}, sx.PersonalToken{}, bad
	}
	return user, found, err
}

// exchange sends the gateway an access token for a personal token, the owner's or the
// secret of a browser session. It is for the gateway alone: unless it is of a browser
// session, it belongs to no session, so auth does not accept it.
func (s *Service) exchange(w http.ResponseWriter, r *http.Request) error {
	var in api.ExchangeRequest
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	user, session, err := s.bySecret(r.Context(), in.Token)
	if err != nil {
		return err
	}
	httpserver.SetUser(r.Context(), user.ID)
	access, _, err := s.cfg.Signer.Sign(token.Claims{UserID: user.ID, UserName: user.Name, SessionID: session})
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, api.Exchanged{AccessToken: access})
	return nil
}

// ownerSession is the session ID in access tokens for the owner's token.
const ownerSession = "owner"

// bySecret returns the user of a personal token, of the owner's token or of a browser
// session, and the session ID for access tokens in exchange for it.
func (s *Service) bySecret(ctx context.Context, raw string) (user sx.User, session string, err error) {
	switch {
	case token.IsOwner(raw):
		user, err = s.byOwnerToken(ctx, raw)
		return user, ownerSession, err
	case token.IsBrowser(raw):
		user, found, err := s.byBrowser(ctx, raw)
		if err == nil {
			s.extend(ctx, found)
		}
		return user, found.ID, err
	}
	user, found, err := s.byPersonalToken(ctx, raw)
	return user, found.ID, err
}
