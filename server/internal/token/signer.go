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

// Signer makes tokens. Its methods may be called from several goroutines.
type Signer struct {
	key      ed25519.PrivateKey
	keyID    string
	document []byte
	now      func() time.Time
}

// NewSigner makes a Signer of keys in the order of LoadKeys: the last one
// signs, and all are published, so that tokens signed before a change of keys
// stay good. No key at all is an error.
func NewSigner(keys []ed25519.PrivateKey, now func() time.Time) (*Signer, error) {
	if len(keys) == 0 {
		return nil, errors.New("make signer: there is no key")
	}
	var set jwks
	for _, k := range keys {
		pub, _ := k.Public().(ed25519.PublicKey)
		set.Keys = append(set.Keys, newJWK(pub))
	}
	doc, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("make key set: %w", err)
	}
	last := len(keys) - 1
	return &Signer{key: keys[last], keyID: set.Keys[last].KeyID, document: doc, now: now}, nil
}

// Sign makes a token that is good for Life, and says until when in the claims
// that it gives back.
func (s *Signer) Sign(c Claims) (string, Claims, error) {
	now := s.now()
	c.Expires = now.Add(Life).Truncate(time.Second)
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, payload{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: Issuer, Audience: jwt.ClaimStrings{Audience}, Subject: c.UserID,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(c.Expires), ID: sx.NewID(),
		},
		Name: c.UserName, SessionID: c.SessionID,
	})
	t.Header["kid"] = s.keyID
	raw, err := t.SignedString(s.key)
	if err != nil {
		return "", Claims{}, fmt.Errorf("sign token: %w", err)
	}
	return raw, c, nil
}

// KeySet is the JSON Web Key Set of the public keys. It is not to be changed.
func (s *Signer) KeySet() []byte { return s.document }

// Secret derives 32 secret bytes for another purpose from the signing key
// (HKDF, RFC 5869). All processes that share the key derive the same.
func (s *Signer) Secret(purpose string) ([]byte, error) {
	secret, err := hkdf.Key(sha256.New, s.key.Seed(), nil, "soundextract "+purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive secret: %w", err)
	}
	return secret, nil
}
