package auth

import (
	"encoding/json"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

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
	if err := s.limit(w, r, name); err != nil {
		return err
	}
	user, err := s.enroll(r.Context(), name, in.Password, in.Invitation)
	if err != nil {
		return err
	}
	s.byName.reset(name)
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
	if err := s.limit(w, r, name); err != nil {
		return err
	}
	user, err := s.cfg.Users.ByName(r.Context(), name)
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		return err
	}
	known := user.PasswordHash != "" // false for the owner of a local server who has set no password
	if !known {
		user.PasswordHash = dummyHash // takes as long as comparing a wrong password
	}
	ok, err := s.passwords.match(r.Context(), in.Password, user.PasswordHash)
	if err != nil {
		return err
	}
	if !ok || !known {
		return sx.NewError(sx.CodeBadCredentials, "wrong name or password")
	}
	s.byName.reset(name)
	if user.Disabled { // revealed only to those who know the password
		return sx.NewError(sx.CodeAccountDisabled, "the account %s is disabled", user.Name)
	}
	return s.signIn(w, r, user)
}

// signIn starts a session for the user and sends its tokens.
func (s *Service) signIn(w http.ResponseWriter, r *http.Request, user sx.User) error {
	httpserver.SetUser(r.Context(), user.ID)
	session, refresh, err := s.startSession(r.Context(), user)
	if err != nil {
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
	api.Write(w, http.StatusOK, api.Me{User: s.toAPI(user), Credential: credential})
	return nil
}

func (s *Service) keys(w http.ResponseWriter, _ *http.Request) error {
	api.Write(w, http.StatusOK, json.RawMessage(s.cfg.Signer.KeySet()))
	return nil
}
