package token

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/soundextract/sx/server/sx"
)

// Signer signs tokens. Its methods may be called from several goroutines.
type Signer struct {
	keys     []Key
	ids      []string // of the keys
	document []byte
	now      func() time.Time
}

// NewSigner returns a Signer with the keys, which are in the order of LoadKeys.
// The last one whose time has come signs, or the first one if there is none.
// All are published, so that tokens signed before a key rotation stay valid.
// Without keys, it returns an error.
func NewSigner(keys []Key, now func() time.Time) (*Signer, error) {
	if len(keys) == 0 {
		return nil, errors.New("create signer: no signing key")
	}
	s := &Signer{keys: keys, now: now}
	var set jwks
	for _, k := range keys {
		pub, _ := k.Private.Public().(ed25519.PublicKey)
		set.Keys = append(set.Keys, newJWK(pub))
		s.ids = append(s.ids, thumbprint(pub))
	}
	var err error
	if s.document, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("make key set: %w", err)
	}
	return s, nil
}

// signing returns the index of the key that signs at a time.
func (s *Signer) signing(at time.Time) int {
	for i := len(s.keys) - 1; i > 0; i-- {
		if !s.keys[i].From.After(at) {
			return i
		}
	}
	return 0
}

// Sign returns a token that is valid for Lifetime, and its claims with Expires set.
func (s *Signer) Sign(c Claims) (string, Claims, error) {
	now := s.now()
	c.Expires = now.Add(Lifetime).Truncate(time.Second)
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, payload{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: Issuer, Audience: jwt.ClaimStrings{Audience}, Subject: c.UserID,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(c.Expires), ID: sx.NewID(),
		},
		Name: c.UserName, SessionID: c.SessionID,
	})
	i := s.signing(now)
	t.Header["kid"] = s.ids[i]
	raw, err := t.SignedString(s.keys[i].Private)
	if err != nil {
		return "", Claims{}, fmt.Errorf("sign token: %w", err)
	}
	return raw, c, nil
}

// KeySet returns the JSON Web Key Set of the public keys. It must not be changed.
func (s *Signer) KeySet() []byte { return s.document }

// Secret derives 32 secret bytes for a purpose from the key that signs at a time
// (HKDF, RFC 5869). All processes that share the keys derive the same bytes.
func (s *Signer) Secret(purpose string, at time.Time) ([]byte, error) {
	seed := s.keys[s.signing(at)].Private.Seed()
	secret, err := hkdf.Key(sha256.New, seed, nil, "soundextract "+purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive secret: %w", err)
	}
	return secret, nil
}
