package token

import (
	"context"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/soundextract/sx/server/sx"
)

// Verifier checks tokens. Its methods may be called from several goroutines.
type Verifier struct {
	cache  keyCache
	parser *jwt.Parser
}

// NewVerifier returns a Verifier that calls fetch for the public keys when it
// first needs them, after five minutes, and for an unknown key id. It does so
// at most every five seconds, or every second while fetch fails; the last keys
// are then used for up to an hour.
func NewVerifier(fetch Fetch, now func() time.Time) *Verifier {
	return &Verifier{
		cache: keyCache{fetch: fetch, now: now},
		parser: jwt.NewParser(
			// Nothing but EdDSA: neither "none" nor an HMAC keyed with a public key.
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
			jwt.WithIssuer(Issuer), jwt.WithAudience(Audience),
			jwt.WithExpirationRequired(), jwt.WithLeeway(leeway),
			jwt.WithStrictDecoding(), jwt.WithTimeFunc(now),
		),
	}
}

const maxToken = 4 << 10 // bytes; ours have about 500

// Verify returns the claims of a valid token. For an invalid token it returns
// an *sx.Error of code unauthenticated, and if the keys cannot be fetched, one
// of code unavailable. If ctx ends first, Verify returns its error.
func (v *Verifier) Verify(ctx context.Context, raw string) (Claims, error) {
	if len(raw) > maxToken {
		return Claims{}, invalid("the access token is not valid")
	}
	var p payload
	_, err := v.parser.ParseWithClaims(raw, &p, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		if id == "" {
			return nil, invalid("the access token does not name its key")
		}
		return v.cache.key(ctx, id)
	})
	var known *sx.Error
	switch {
	case errors.As(err, &known):
		return Claims{}, known
	case err != nil && ctx.Err() != nil:
		return Claims{}, ctx.Err()
	case errors.Is(err, jwt.ErrTokenExpired):
		return Claims{}, invalid("the access token has expired").WithCause(err)
	case err != nil:
		return Claims{}, invalid("the access token is not valid").WithCause(err)
	case p.Subject == "" || p.SessionID == "":
		return Claims{}, invalid("the access token names no user")
	}
	return Claims{UserID: p.Subject, UserName: p.Name, SessionID: p.SessionID, Expires: p.ExpiresAt.Time}, nil
}

func invalid(message string) *sx.Error { return sx.NewError(sx.CodeUnauthenticated, "%s", message) }
