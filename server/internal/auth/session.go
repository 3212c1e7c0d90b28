package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
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
	sessionLifetime = 30 * 24 * time.Hour // from the last use
	// reuseGrace is how long the previous refresh token may be used again without the
	// idempotency key of its first use: the response with its successor may have been lost.
	reuseGrace = time.Minute
)

// A refresh token is "<session id>.<32 bytes in base64url>": half of the bytes are a
// secret, the other half is a MAC of it, which distinguishes the session's own tokens
// from made-up ones. Only the hash of the token is stored.
const (
	refreshSize = 32
	sealed      = refreshSize / 2 // bytes of the secret
)

// seal returns the refresh token of the session with a secret of at least sealed bytes.
func seal(session sx.Session, secret []byte) string {
	secret = secret[:sealed:sealed]
	return session.ID + "." + base64.RawURLEncoding.EncodeToString(append(secret, code(session, secret)...))
}

// code returns the MAC of a secret of the session.
func code(session sx.Session, secret []byte) []byte {
	mac := hmac.New(sha256.New, []byte(session.Seal))
	mac.Write(secret)
	return mac.Sum(nil)[:refreshSize-sealed]
}

// issued reports whether the refresh token was issued for the session at any time.
func issued(session sx.Session, refresh string) bool {
	_, text, _ := strings.Cut(refresh, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == refreshSize && hmac.Equal(raw[sealed:], code(session, raw[:sealed]))
}

// successor returns the refresh token that replaces refresh, which was first used at the
// time used. It is a keyed hash of it, so that a repeated request gets the same one
// instead of a second one that would invalidate the first. The key is that of the first
// use, so that a change of the signing key does not change the successor.
func (s *Service) successor(session sx.Session, refresh string, used time.Time) (string, error) {
	key, err := s.cfg.Signer.Secret(refreshSecret, used)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(refresh))
	return seal(session, mac.Sum(nil)), nil
}

// refreshSecret is the purpose of the key of successor.
const refreshSecret = "refresh tokens"

func equalSecrets(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// expiry returns when a session that is used now expires.
func (s *Service) expiry(session sx.Session) time.Time {
	expires := s.cfg.Now().Add(sessionLifetime)
	if !session.Until.IsZero() && expires.After(session.Until) {
		return session.Until
	}
	return expires
}

// startSession starts a session and returns its first refresh token.
func (s *Service) startSession(ctx context.Context, user sx.User) (sx.Session, string, error) {
	session := sx.Session{ID: sx.NewID(), UserID: user.ID, Epoch: user.Epoch}
	refresh := s.firstToken(&session)
	return session, refresh, s.cfg.Sessions.Create(ctx, session)
}

// firstToken makes the session one of refresh tokens, and returns the first of them.
func (s *Service) firstToken(session *sx.Session) string {
	var secret [sealed]byte
	var key [sha256.Size]byte
	_, _ = rand.Read(secret[:]) // never fails (package crypto/rand)
	_, _ = rand.Read(key[:])
	session.Kind, session.Seal, session.Rotated = sx.SessionTokens, hex.EncodeToString(key[:]), s.cfg.Now()
	session.Expires = s.expiry(*session)
	refresh := seal(*session, secret[:])
	session.Current = token.Hash(refresh)
	return refresh
}

func (s *Service) refresh(w http.ResponseWriter, r *http.Request) error {
	var in api.RefreshRequest
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	ctx := r.Context()
	session, next, err := s.rotate(ctx, in)
	if err != nil {
		return err
	}
	user, err := s.cfg.Users.ByID(ctx, session.UserID)
	if sx.CodeOf(err) == sx.CodeNotFound {
		return s.end(ctx, session, "account removed")
	}
	if err != nil {
		return err // the client retries and gets the same successor
	}
	if !s.sessionValid(session, user) {
		return s.end(ctx, session, "account disabled or password changed")
	}
	return s.issueTokens(w, user, session.ID, next)
}

// rotate replaces a session's refresh token with the next one, which it
// returns.
func (s *Service) rotate(ctx context.Context, in api.RefreshRequest) (session sx.Session, next string, err error) {
	refresh := in.RefreshToken
	session, err = store.Update(ctx, refresh, s.session, s.cfg.Sessions.Replace, func(session *sx.Session) (err error) {
		httpserver.SetUser(ctx, session.UserID)
		now, presented := s.cfg.Now(), token.Hash(refresh)
		switch {
		case session.Kind != sx.SessionTokens:
			return ended() // it has no refresh tokens
		case !now.Before(session.Expires):
			return s.end(ctx, *session, "session expired")
		case equalSecrets(presented, session.Current):
			session.Previous, session.Rotated, session.Renewal = presented, now, renewal(in)
		case equalSecrets(presented, session.Previous) && (store.Ahead(now, session.Rotated.Add(reuseGrace), reuseGrace) || repeated(*session, in)):
			// The same response again; the grace period still counts from the first use.
		case !issued(*session, refresh):
			// Otherwise anyone with the session's ID, which is not secret, could end it.
			return ended()
		default:
			// Two clients have tokens of this session, so one of them is an
			// attacker (RFC 9700 section 4.14.2).
			s.cfg.Log.WarnContext(ctx, "refresh token reused", "session", session.ID)
			return s.end(ctx, *session, "refresh token reused")
		}
		if next, err = s.successor(*session, refresh, session.Rotated); err != nil {
			return err
		}
		session.Current, session.Expires = token.Hash(next), s.expiry(*session)
		return nil
	})
	if sx.CodeOf(err) == sx.CodeNotFound {
		err = ended() // signed out meanwhile
	}
	return session, next, err
}

// renewal returns what is stored of a request's idempotency key.
func renewal(in api.RefreshRequest) string {
	if in.IdempotencyKey == "" {
		return ""
	}
	return token.Hash(in.IdempotencyKey)
}

// repeated reports whether the request is the one that replaced the previous refresh
// token. Whoever stole that token does not know the key, which is chosen for this request.
func repeated(session sx.Session, in api.RefreshRequest) bool {
	return session.Renewal != "" && equalSecrets(renewal(in), session.Renewal)
}

// session returns the session that a refresh token names, without checking the
// token.
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

// end deletes the session and returns the error for the client.
func (s *Service) end(ctx context.Context, session sx.Session, reason string) error {
	if err := s.cfg.Sessions.Delete(ctx, session.ID); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(ctx, "session ended", "session", session.ID, "reason", reason)
	return ended()
}

// logout deletes the session of a refresh token. For a token that has no
// session or is no longer valid, it succeeds and changes nothing.
func (s *Service) logout(w http.ResponseWriter, r *http.Request) error {
	if raw, _ := token.Bearer(r.Header); token.IsBrowser(raw) || isBrowser(r) {
		return s.logoutBrowser(w, r, raw)
	}
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
