package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

const (
	// maxTokens is how many personal tokens one user may have.
	maxTokens = 100
	// minLifetime is the shortest life of a token or invitation.
	minLifetime = time.Minute
	// listExpiredFor is how long an expired token is still listed, so that whoever
	// wonders why a script stopped finds it.
	listExpiredFor = 30 * 24 * time.Hour
)

// lifetime checks a length of time in seconds that a client asks for.
func lifetime(seconds int, most time.Duration) (time.Duration, error) {
	if seconds < int(minLifetime.Seconds()) || seconds > int(most.Seconds()) {
		return 0, sx.NewError(sx.CodeInvalid, "expires_in cannot be %d", seconds).
			WithHint("give %d to %d seconds, %d days at most", int(minLifetime.Seconds()), int(most.Seconds()), int(most.Hours()/24))
	}
	return time.Duration(seconds) * time.Second, nil
}

func (s *Service) createToken(w http.ResponseWriter, r *http.Request) error {
	var in api.NewToken
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	user, err := s.signedIn(r)
	if err != nil {
		return err
	}
	if err := sx.TokenName(in.Name); err != nil {
		return err
	}
	until, err := lifetime(in.ExpiresIn, api.MaxTokenLife)
	if err != nil {
		return err
	}
	list, err := s.cfg.PersonalTokens.List(r.Context(), user.ID)
	if err != nil {
		return err
	}
	if len(list) >= maxTokens {
		return sx.NewError(sx.CodeConflict, "you have %d tokens, which is the most", len(list)).
			WithHint("remove one with: sx token revoke NAME")
	}
	now := s.cfg.Now()
	made := sx.PersonalToken{ID: sx.NewID(), UserID: user.ID, Name: in.Name, Created: now, Expires: now.Add(until)}
	secret := token.NewSecret(api.TokenPrefix, made.ID)
	made.Hash = token.Hash(secret)
	if err := s.cfg.PersonalTokens.Create(r.Context(), made); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(r.Context(), "personal token made", "token", made.ID)
	api.Write(w, http.StatusCreated, api.CreatedToken{PersonalToken: api.FromToken(made), Token: secret})
	return nil
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

// revokeToken ends a token. That of someone else is answered like one that does
// not exist.
func (s *Service) revokeToken(w http.ResponseWriter, r *http.Request) error {
	user, err := s.signedIn(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	found, err := s.cfg.PersonalTokens.ByID(r.Context(), id)
	if err == nil && found.UserID != user.ID || sx.CodeOf(err) == sx.CodeNotFound {
		return sx.NewError(sx.CodeNotFound, "you have no token %s", id).WithHint("list your tokens with: sx token list")
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

// byPersonalToken gives the user whom a personal token stands for. Whatever is
// wrong with it, the answer is the same.
func (s *Service) byPersonalToken(ctx context.Context, raw string) (sx.User, sx.PersonalToken, error) {
	bad := sx.NewError(sx.CodeUnauthenticated, "the personal token is not known, was revoked or has expired").
		WithHint("make another with: sx token create NAME")
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
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && user.Disabled {
		return sx.User{}, sx.PersonalToken{}, bad
	}
	return user, found, err
}

// exchange gives the gateway an access token for a personal one. Its session is
// none of ours, so that it is good at the gateway and not here.
func (s *Service) exchange(w http.ResponseWriter, r *http.Request) error {
	var in api.ExchangeRequest
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	user, found, err := s.byPersonalToken(r.Context(), in.Token)
	if err != nil {
		return err
	}
	httpserver.SetUser(r.Context(), user.ID)
	access, _, err := s.cfg.Signer.Sign(token.Claims{UserID: user.ID, UserName: user.Name, SessionID: found.ID})
	if err != nil {
		return err
	}
	api.Write(w, http.StatusOK, api.Exchanged{AccessToken: access})
	return nil
}
