package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// credential is the credential that authenticated a long request.
type credential struct {
	*Service
	r       *http.Request
	expires time.Time
	check   time.Time // when to verify it again
}

func (s *Service) credentialOf(r *http.Request) *credential {
	claims, _ := r.Context().Value(claimsKey{}).(token.Claims)
	return &credential{Service: s, r: r, expires: claims.Expires, check: s.cfg.Now().Add(personalTokenTTL)}
}

// valid reports whether the credential is still valid, as far as the gateway can tell: an
// access token until it expires; a personal token, which may be revoked, until the next
// exchange with auth fails. While auth is unavailable, the last exchange counts.
func (c *credential) valid(ctx context.Context) bool {
	now := c.cfg.Now()
	if now.Before(c.check) {
		return now.Before(c.expires)
	}
	c.check = now.Add(personalTokenTTL)
	claims, err := c.authenticate(c.r.WithContext(ctx))
	switch {
	case err == nil:
		c.expires = claims.Expires
	case sx.CodeOf(err) == sx.CodeUnauthenticated:
		return false
	default:
		c.logFailure(ctx, err)
	}
	return now.Before(c.expires)
}
