package auth

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

func (s *Service) registration(w http.ResponseWriter, _ *http.Request) error {
	api.Write(w, http.StatusOK, api.Registration{
		Mode:      string(cmp.Or(s.cfg.Registration, RegistrationOpen)),
		Passwords: !s.cfg.NoPasswords, Organisation: s.provider != nil, SignOutURL: s.provider.signOutURL(),
	})
	return nil
}

func (s *Service) register(w http.ResponseWriter, r *http.Request) error {
	var in api.Credentials
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	name, err := sx.UserName(in.Name)
	if err != nil {
		return err
	}
	if err := checkPassword(name, in.Password); err != nil {
		return err
	}
	from := s.origin(r)
	if err := s.limit(w, from, name); err != nil {
		return err
	}
	if err := s.limitName(w, from, name); err != nil {
		return err
	}
	user, err := s.enroll(r.Context(), from, name, in.Password, in.Invitation)
	if err != nil {
		return err
	}
	s.record(r, name, sx.AuditRegister, name, nil)
	if user.Invitation != "" {
		s.record(r, name, sx.AuditRedeemInvitation, name, nil)
	}
	s.succeeded(from, name)
	return s.signIn(w, r, user)
}

func (s *Service) login(w http.ResponseWriter, r *http.Request) error {
	var in api.Credentials
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	// No account has such a name; the response is the same as for any unknown
	// name.
	name, err := sx.UserName(in.Name)
	if err != nil {
		name = ""
	}
	from := s.origin(r)
	if err := s.limit(w, from, name); err != nil {
		return err
	}
	user, err := s.cfg.Users.ByName(r.Context(), name)
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		return err
	}
	from = from.of(user, s.cfg.Now())
	if err := s.limitName(w, from, name); err != nil {
		return err
	}
	known := user.PasswordHash != "" // false for the owner of a local server who has set no password
	if !known {
		user.PasswordHash = dummyHash // takes as long as comparing a wrong password
	}
	ok, err := s.passwords.match(r.Context(), from, in.Password, user.PasswordHash)
	if err != nil {
		return err
	}
	if !ok || !known {
		return sx.NewError(sx.CodeBadCredentials, "wrong name or password")
	}
	s.succeeded(from, name)
	// What follows is revealed only to those who know the password.
	if err := s.checkPasswords(name); err != nil {
		return err
	}
	if user.Blocked() {
		return blocked(user)
	}
	if err := s.limitSessions(w, user); err != nil {
		return err
	}
	return s.signIn(w, r, user)
}

// blocked is the error for a user who may not sign in.
func blocked(user sx.User) *sx.Error {
	if user.Erasing {
		return sx.NewError(sx.CodeAccountDisabled, "the account %s is being deleted", user.Name).
			WithHint("register under another name, or try again later")
	}
	return sx.NewError(sx.CodeAccountDisabled, "the account %s is disabled", user.Name)
}

// signIn starts a session for the user and sends its tokens, or a browser's secret.
func (s *Service) signIn(w http.ResponseWriter, r *http.Request, user sx.User) error {
	httpserver.SetUser(r.Context(), user.ID)
	if isBrowser(r) {
		return s.signInBrowser(w, r, user, time.Time{})
	}
	session, refresh, err := s.startSession(r.Context(), user)
	if err != nil {
		return err
	}
	if err := s.rememberNetwork(r.Context(), user, s.origin(r)); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "signed in", "session", session.ID)
	return s.issueTokens(w, user, session.ID, refresh)
}

// issueTokens sends an access token and the refresh token.
func (s *Service) issueTokens(w http.ResponseWriter, user sx.User, sessionID, refresh string) error {
	access, claims, err := s.cfg.Signer.Sign(token.Claims{UserID: user.ID, UserName: user.Name, SessionID: sessionID})
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, api.Tokens{
		AccessToken: access, RefreshToken: refresh,
		ExpiresIn: int(claims.Expires.Sub(s.cfg.Now()).Seconds()),
		User:      s.toAPI(user),
	})
	return nil
}

func (s *Service) me(w http.ResponseWriter, r *http.Request) error {
	user, credential, err := s.identify(r)
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, api.Me{User: s.toAPI(user), Password: user.PasswordHash != "", Credential: credential})
	return nil
}

func (s *Service) keys(w http.ResponseWriter, _ *http.Request) error {
	api.Write(w, http.StatusOK, json.RawMessage(s.cfg.Signer.KeySet()))
	return nil
}
