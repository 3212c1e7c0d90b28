// Package token signs and verifies access tokens: JSON Web Tokens signed with
// Ed25519 (RFC 7519, RFC 8037). Auth signs with a Signer and publishes its public
// keys. Other services use a Verifier, which fetches those keys, so that requests
// need no call to auth.
package token

import (
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/soundextract/sx/server/sx"
)

// Lifetime is how long an access token is valid. It is short because an access
// token cannot be revoked; its refresh token can.
const Lifetime = 10 * time.Minute

// The issuer and the audience of every token.
const (
	Issuer   = "soundextract"
	Audience = "soundextract-api"
)

// leeway is the tolerated difference between the clocks of two servers.
const leeway = 10 * time.Second

// Claims are the statements of a token about its bearer.
type Claims struct {
	UserID    string
	UserName  string
	SessionID string    // the session it was issued for
	Expires   time.Time // set by the Signer
}

// payload is the JSON of a token.
type payload struct {
	jwt.RegisteredClaims
	Name      string `json:"name"`
	SessionID string `json:"sid"`
}

// Bearer returns the token in a request's Authorization header (RFC 6750). If
// there is none, it returns an *sx.Error of code unauthenticated.
func Bearer(h http.Header) (string, error) {
	scheme, raw, _ := strings.Cut(h.Get("Authorization"), " ")
	if raw = strings.TrimSpace(raw); raw == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", sx.NewError(sx.CodeUnauthenticated, "you are not signed in")
	}
	return raw, nil
}
