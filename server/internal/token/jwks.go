package token

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// jwk is an Ed25519 public key in the form of RFC 8037 section 2.
type jwk struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	KeyID     string `json:"kid"`
	Use       string `json:"use,omitempty"`
	Algorithm string `json:"alg,omitempty"`
}

// jwks is a JSON Web Key Set (RFC 7517 section 5).
type jwks struct {
	Keys []jwk `json:"keys"`
}

func newJWK(pub ed25519.PublicKey) jwk {
	return jwk{
		KeyType: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(pub),
		KeyID: thumbprint(pub), Use: "sig", Algorithm: "EdDSA",
	}
}

// thumbprint returns the key's JWK Thumbprint (RFC 7638): the SHA-256 of its
// required members in alphabetical order.
func thumbprint(pub ed25519.PublicKey) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(pub) + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// parseJWKS returns the Ed25519 signing keys of a document by their ids. It ignores
// other keys (RFC 7517 section 5); a document without a usable key is an error.
func parseJWKS(doc []byte) (map[string]ed25519.PublicKey, error) {
	var set jwks
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	keys := make(map[string]ed25519.PublicKey, len(set.Keys))
	for _, k := range set.Keys {
		if k.KeyType != "OKP" || k.Curve != "Ed25519" || k.KeyID == "" || (k.Use != "" && k.Use != "sig") {
			continue
		}
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			continue
		}
		keys[k.KeyID] = x
	}
	if len(keys) == 0 {
		return nil, errors.New("read key set: no Ed25519 key")
	}
	return keys, nil
}
