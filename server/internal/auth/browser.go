package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// isBrowser reports whether the page sent the request, which then wants a cookie instead of
// tokens.
func isBrowser(r *http.Request) bool { return r.Header.Get(api.HeaderBrowser) != "" }

// signInBrowser starts a session for a browser and sends its secret to the gateway. until
// is that of the session.
func (s *Service) signInBrowser(w http.ResponseWriter, r *http.Request, user sx.User, until time.Time) error {
	session := sx.Session{
		ID: sx.NewID(), UserID: user.ID, Kind: sx.SessionBrowser, Epoch: user.Epoch,
		Rotated: s.cfg.Now(), Until: until,
	}
	session.Expires = s.expiry(session)
	secret := token.NewSecret(api.BrowserPrefix, session.ID)
	session.Current = token.Hash(secret)
	if err := s.cfg.Sessions.Create(r.Context(), session); err != nil {
		return err
	}
	return s.answerBrowser(w, r, user, session, secret)
}

func (s *Service) answerBrowser(w http.ResponseWriter, r *http.Request, user sx.User, session sx.Session, secret string) error {
	if err := s.rememberNetwork(r.Context(), user, s.origin(r)); err != nil {
		return err
	}
	if raw, _ := token.Bearer(r.Header); token.IsBrowser(raw) { // replaced by the new one
		if err := s.endBrowser(r.Context(), raw); err != nil {
			return err
		}
	}
	s.cfg.Log.InfoContext(r.Context(), "signed in", "session", session.ID, "kind", string(session.Kind))
	w.Header().Set(api.HeaderBrowserSession, secret)
	api.Write(w, http.StatusOK, api.BrowserSession{User: s.toAPI(user)})
	return nil
}

// byBrowser returns the user and the session of a browser's secret.
func (s *Service) byBrowser(ctx context.Context, raw string) (sx.User, sx.Session, error) {
	bad := sx.NewError(sx.CodeUnauthenticated, "this browser is no longer signed in").WithHint("sign in again")
	session, err := s.cfg.Sessions.ByID(ctx, token.SecretID(api.BrowserPrefix, raw))
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && !holds(session, sx.SessionBrowser, raw) {
		return sx.User{}, sx.Session{}, bad
	}
	if err != nil {
		return sx.User{}, sx.Session{}, err
	}
	user, err := s.cfg.Users.ByID(ctx, session.UserID)
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && !s.sessionValid(session, user) {
		return sx.User{}, sx.Session{}, bad
	}
	return user, session, err
}

// holds reports whether the session is of the kind and has the secret.
func holds(session sx.Session, kind sx.SessionKind, secret string) bool {
	return session.Kind == kind && equalSecrets(session.Current, token.Hash(secret))
}

// extendPrecision is how often the end of a browser session that is used is put off.
const extendPrecision = 24 * time.Hour

// extend puts off the end of a session that was used. If that fails, the session is valid
// all the same.
func (s *Service) extend(ctx context.Context, session sx.Session) {
	until := s.expiry(session)
	if until.Sub(session.Expires) < extendPrecision {
		return
	}
	session.Expires = until
	if err := s.cfg.Sessions.Replace(ctx, session); err != nil && !errors.Is(err, store.ErrStale) {
		s.cfg.Log.WarnContext(ctx, "session not extended", "session", session.ID, "error", err)
	}
}

// createBrowserCode creates a session, and the code by which a browser gets it.
func (s *Service) createBrowserCode(w http.ResponseWriter, r *http.Request) error {
	user, err := s.signedIn(r)
	if err != nil {
		return err
	}
	raw, _ := token.Bearer(r.Header)
	if token.IsBrowser(raw) {
		return sx.NewError(sx.CodeForbidden, "a browser cannot sign in another one").
			WithHint("sign in there with the name and password")
	}
	if err := s.limitChanges(w, user); err != nil {
		return err
	}
	now := s.cfg.Now()
	session := sx.Session{
		ID: sx.NewID(), UserID: user.ID, Kind: sx.SessionCode, Epoch: user.Epoch,
		Rotated: now, Expires: now.Add(api.BrowserCodeLife),
	}
	if token.IsOwner(raw) {
		session.OwnerToken = token.Hash(raw)
	} else {
		_, from, err := s.byAccessToken(r.Context(), raw)
		if err != nil {
			return err
		}
		session.Until, session.OwnerToken = from.Until, from.OwnerToken
	}
	code := token.NewSecret(api.BrowserCodePrefix, session.ID)
	session.Current = token.Hash(code)
	if err := s.cfg.Sessions.Create(r.Context(), session); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "code for a browser created", "session", session.ID)
	api.Write(w, http.StatusCreated, api.BrowserCode{Code: code, Expires: session.Expires.UTC()})
	return nil
}

// redeemBrowserCode signs in the browser that sends a code, which is used up by the same
// compare-and-set.
func (s *Service) redeemBrowserCode(w http.ResponseWriter, r *http.Request) error {
	var in api.BrowserSignIn
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	if !isBrowser(r) {
		return sx.NewError(sx.CodeInvalid, "the header %s is missing", api.HeaderBrowser).
			WithHint("open the link in a browser")
	}
	if err := s.limit(w, s.origin(r), ""); err != nil {
		return err
	}
	bad := sx.NewError(sx.CodeBadCredentials, "the code is unknown, used or expired").WithHint("create another code")
	id := token.SecretID(api.BrowserCodePrefix, in.Code)
	if id == "" {
		return bad
	}
	secret := token.NewSecret(api.BrowserPrefix, id)
	_, err := store.Update(r.Context(), id, s.cfg.Sessions.ByID, s.cfg.Sessions.Replace, func(session *sx.Session) error {
		now := s.cfg.Now()
		if !holds(*session, sx.SessionCode, in.Code) || !now.Before(session.Expires) {
			return bad
		}
		session.Kind, session.Current = sx.SessionBrowser, token.Hash(secret)
		session.Rotated, session.Expires = now, s.expiry(*session)
		return nil
	})
	if sx.CodeOf(err) == sx.CodeNotFound {
		return bad
	}
	if err != nil {
		return err
	}
	user, session, err := s.byBrowser(r.Context(), secret)
	if sx.CodeOf(err) == sx.CodeUnauthenticated {
		return bad // the account was disabled or its password changed meanwhile
	}
	if err != nil {
		return err
	}
	httpserver.SetUser(r.Context(), user.ID)
	return s.answerBrowser(w, r, user, session, secret)
}

// logoutBrowser deletes the session of a browser's secret. For one that is no longer valid
// it succeeds too, so that the browser forgets it.
func (s *Service) logoutBrowser(w http.ResponseWriter, r *http.Request, raw string) error {
	if err := s.endBrowser(r.Context(), raw); err != nil {
		return err
	}
	w.Header().Set(api.HeaderBrowserSession, "")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endBrowser deletes the session of a browser's secret, if there is one.
func (s *Service) endBrowser(ctx context.Context, raw string) error {
	session, err := s.cfg.Sessions.ByID(ctx, token.SecretID(api.BrowserPrefix, raw))
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && !holds(session, sx.SessionBrowser, raw) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.cfg.Sessions.Delete(ctx, session.ID); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(ctx, "signed out", "session", session.ID)
	return nil
}
