package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

const (
	// sessionLifetime counts from the last use.
	sessionLifetime = 30 * 24 * time.Hour
	// reuseGrace is how long the token before the newest may be presented once
	// more: the answer with the newest may have been lost on a bad network.
	reuseGrace = time.Minute
)

// A refresh token is "<session id>.<256 bits in base64url>". Only its hash is
// stored. It is used once: its successor is a keyed hash of it, so that a
// repeated request gets the same answer again instead of a second successor,
// of which one would be dead. Without the key nobody can tell the next token
// from the last. The key is the one of the time when the token was first used,
// so that a change of the signing key does not change the answer.
func (s *Service) successor(refresh string, used time.Time) (string, error) {
	key, err := s.cfg.Signer.Secret(refreshSecret, used)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(refresh))
	id, _, _ := strings.Cut(refresh, ".")
	return id + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// refreshSecret is the purpose of the secret behind it.
const refreshSecret = "refresh tokens"

func equalSecrets(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// startSession starts a session and gives its first refresh token.
func (s *Service) startSession(ctx context.Context, user sx.User) (sx.Session, string, error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails (package crypto/rand)
	now := s.cfg.Now()
	session := sx.Session{ID: sx.NewID(), UserID: user.ID, Epoch: user.Epoch, Rotated: now, Expires: now.Add(sessionLifetime)}
	refresh := session.ID + "." + base64.RawURLEncoding.EncodeToString(secret[:])
	session.Current = token.Hash(refresh)
	return session, refresh, s.cfg.Sessions.Create(ctx, session)
}

func (s *Service) refresh(w http.ResponseWriter, r *http.Request) error {
	var in api.RefreshRequest
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	ctx := r.Context()
	session, next, err := s.rotate(ctx, in.RefreshToken)
	if err != nil {
		return err
	}
	user, err := s.cfg.Users.ByID(ctx, session.UserID)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return s.end(ctx, session, "account is gone")
	}
	if err != nil {
		return err // the client asks again, and gets the same next
	}
	if !s.sessionValid(session, user) {
		return s.end(ctx, session, "account was disabled or its password changed")
	}
	return s.issueTokens(w, user, session.ID, next)
}

// rotate replaces a session's refresh token by the next, which it returns.
func (s *Service) rotate(ctx context.Context, refresh string) (session sx.Session, next string, err error) {
	session, err = store.Update(ctx, refresh, s.session, s.cfg.Sessions.Replace, func(session *sx.Session) (err error) {
		httpserver.SetUser(ctx, session.UserID)
		now, presented := s.cfg.Now(), token.Hash(refresh)
		switch {
		case !now.Before(session.Expires):
			return s.end(ctx, *session, "session has expired")
		case equalSecrets(presented, session.Current):
			session.Previous, session.Rotated = presented, now
		case equalSecrets(presented, session.Previous) && now.Sub(session.Rotated) < reuseGrace:
			// The same answer again, and the minute still counts from the first.
		default:
			// Two hold tokens of this session, one of them a thief; nobody can say
			// who (RFC 9700 section 4.14.2).
			s.cfg.Log.WarnContext(ctx, "refresh token presented that was used before", "session", session.ID)
			return s.end(ctx, *session, "refresh token was used before")
		}
		if next, err = s.successor(refresh, session.Rotated); err != nil {
			return err
		}
		session.Current, session.Expires = token.Hash(next), now.Add(sessionLifetime)
		return nil
	})
	if sx.CodeOf(err) == sx.CodeNotFound {
		err = ended() // signed out in the meantime
	}
	return session, next, err
}

// session finds the session that a refresh token names, without judging the token.
func (s *Service) session(ctx context.Context, refresh string) (sx.Session, error) {
	id, secret, _ := strings.Cut(refresh, ".")
	if id == "" || secret == "" {
		return sx.Session{}, ended()
	}
	session, err := s.cfg.Sessions.ByID(ctx, id)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return sx.Session{}, ended()
	}
	return session, err
}

func ended() *sx.Error { return sx.NewError(sx.CodeSessionEnded, "this sign-in has ended") }

// end deletes the session and gives the error that says so.
func (s *Service) end(ctx context.Context, session sx.Session, why string) error {
	if err := s.cfg.Sessions.Delete(ctx, session.ID); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(ctx, "session ended", "session", session.ID, "why", why)
	return ended()
}

// logout deletes the session of a refresh token. A token that names none, or
// that is no longer one of its session's, changes nothing and succeeds all the same.
func (s *Service) logout(w http.ResponseWriter, r *http.Request) error {
	var in api.RefreshRequest
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	session, err := s.session(r.Context(), in.RefreshToken)
	presented := token.Hash(in.RefreshToken)
	switch {
	case sx.CodeOf(err) == sx.CodeSessionEnded:
	case err != nil:
		return err
	case equalSecrets(presented, session.Current), equalSecrets(presented, session.Previous):
		httpserver.SetUser(r.Context(), session.UserID)
		if err := s.cfg.Sessions.Delete(r.Context(), session.ID); err != nil {
			return err
		}
		s.cfg.Log.InfoContext(r.Context(), "signed out", "session", session.ID)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
