package auth

import (
	"context"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// caller returns the user who sent the request. Unlike the gateway, auth
// refuses an access token as soon as its sign-in has ended, not only when it
// expires, because changes to accounts outlast the token.
func (s *Service) caller(r *http.Request) (sx.User, error) {
	user, _, err := s.identify(r)
	return user, err
}

// identify returns the user who sent the request, and by what the request is
// authenticated.
func (s *Service) identify(r *http.Request) (user sx.User, by api.Credential, err error) {
	raw, err := token.Bearer(r.Header)
	if err != nil {
		return sx.User{}, by, err
	}
	switch {
	case token.IsPersonal(raw):
		var found sx.PersonalToken
		user, found, err = s.byPersonalToken(r.Context(), raw)
		by = api.Credential{Kind: api.CredentialToken, Name: found.Name, Expires: new(found.Expires.UTC())}
	case token.IsOwner(raw):
		user, err = s.byOwnerToken(r.Context(), raw)
		by = api.Credential{Kind: api.CredentialOwner}
	case token.IsBrowser(raw):
		var session sx.Session
		user, session, err = s.byBrowser(r.Context(), raw)
		by = api.Credential{Kind: api.CredentialBrowser, Expires: new(session.Expires.UTC()), Fixed: !session.Until.IsZero()}
	default:
		var session sx.Session
		user, session, err = s.byAccessToken(r.Context(), raw)
		by = api.Credential{Kind: api.CredentialSignIn, Expires: new(session.Expires.UTC()), Fixed: !session.Until.IsZero()}
	}
	if err != nil {
		return sx.User{}, api.Credential{}, err
	}
	httpserver.SetUser(r.Context(), user.ID)
	return user, by, nil
}

func (s *Service) byAccessToken(ctx context.Context, raw string) (sx.User, sx.Session, error) {
	claims, err := s.verifier.Verify(ctx, raw)
	if err != nil {
		return sx.User{}, sx.Session{}, err
	}
	user, err := s.cfg.Users.ByID(ctx, claims.UserID)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return sx.User{}, sx.Session{}, sx.NewError(sx.CodeUnauthenticated, "this account no longer exists")
	}
	if err != nil {
		return sx.User{}, sx.Session{}, err
	}
	session, err := s.cfg.Sessions.ByID(ctx, claims.SessionID)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
	case err != nil:
		return sx.User{}, sx.Session{}, err
	case s.sessionValid(session, user):
		return user, session, nil
	}
	return sx.User{}, sx.Session{}, sx.NewError(sx.CodeUnauthenticated, "the sign-in of this access token has ended")
}

// sessionValid reports whether the session still signs the user in.
func (s *Service) sessionValid(session sx.Session, user sx.User) bool {
	return !user.Blocked() && session.UserID == user.ID && session.Epoch == user.Epoch && s.cfg.Now().Before(session.Expires) &&
		(session.OwnerToken == "" || equalSecrets(session.OwnerToken, token.Hash(s.cfg.OwnerToken)))
}

// signedIn is caller for requests that are refused with a personal token: changing
// the password, creating tokens, administration. Otherwise a leaked token could
// outlive its revocation.
func (s *Service) signedIn(r *http.Request) (sx.User, error) {
	user, err := s.caller(r)
	if err != nil {
		return sx.User{}, err
	}
	if raw, _ := token.Bearer(r.Header); token.IsPersonal(raw) {
		return sx.User{}, sx.NewError(sx.CodeForbidden, "a personal token cannot do this").
			WithHint("sign in with the account's name and password")
	}
	return user, nil
}

// administrator is signedIn for administrators only.
func (s *Service) administrator(r *http.Request) (sx.User, error) {
	user, err := s.signedIn(r)
	if err != nil {
		return sx.User{}, err
	}
	if !s.isAdmin(user) {
		return sx.User{}, sx.NewError(sx.CodeForbidden, "%s is not an administrator of this server", user.Name)
	}
	return user, nil
}

// isAdmin reports whether the account is an administrator: by its record, by a group of
// the organisation, or by the setting Admin.
func (s *Service) isAdmin(user sx.User) bool {
	return !user.Blocked() && (user.Admin || s.cfg.Now().Before(user.GroupAdminUntil) || s.cfg.Admin != "" && user.Name == s.cfg.Admin)
}
