// Package token makes and checks access tokens: JSON Web Tokens signed with
// Ed25519 (RFC 7519, RFC 8037). Auth signs with a Signer and publishes its
// public keys; whoever serves requests checks with a Verifier that fetches
// those keys, so that no call to auth is needed for each request.
package token

import (
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/soundextract/sx/server/sx"
)

// Lifetime is how long an access token is good. It is short because a token cannot
// be taken back; the refresh token behind it can.
const Lifetime = 10 * time.Minute

// The issuer and the audience that every token names and every check demands.
const (
	Issuer   = "soundextract"
	Audience = "soundextract-api"
)

// leeway is how far the clocks of two servers may be apart.
const leeway = 10 * time.Second

// Claims are what a token says of its bearer.
type Claims struct {
	UserID    string
	UserName  string
	SessionID string    // the sign-in that it came from
	Expires   time.Time // set by the Signer
}

// payload is the JSON inside a token.
type payload struct {
	jwt.RegisteredClaims
	Name      string `json:"name"`
	SessionID string `json:"sid"`
}

// Bearer gives the token of a request's Authorization header (RFC 6750), or an
// *sx.Error of code unauthenticated when there is none.
func Bearer(h http.Header) (string, error) {
	scheme, raw, _ := strings.Cut(h.Get("Authorization"), " ")
	if raw = strings.TrimSpace(raw); raw == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", sx.NewError(sx.CodeUnauthenticated, "you are not signed in")
	}
	return raw, nil
}
