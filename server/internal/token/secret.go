package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/soundextract/sx/server/api"
)

const (
	idLength     = 16 // of sx.NewID
	secretLength = 26 // of rand.Text
)

// NewSecret returns a secret for the record with the id: the prefix, the id, and
// 130 random bits in base32.
func NewSecret(prefix, id string) string { return prefix + id + strings.ToLower(rand.Text()) }

// SecretID returns the id in a secret of NewSecret, or "" for anything else.
func SecretID(prefix, secret string) string {
	rest, ok := strings.CutPrefix(secret, prefix)
	if !ok || len(rest) != idLength+secretLength {
		return ""
	}
	return rest[:idLength]
}

// Hash returns the stored form of a secret: its SHA-256 in hex. The secret must
// have too much entropy to be guessed.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// IsPersonal reports whether a bearer token has the form of a personal token.
func IsPersonal(raw string) bool { return strings.HasPrefix(raw, api.TokenPrefix) }

// IsOwner reports whether a bearer token has the form of the token of a local
// server's owner.
func IsOwner(raw string) bool { return strings.HasPrefix(raw, api.OwnerTokenPrefix) }

// NewOwner returns a new token for a local server's owner: 130 random bits.
func NewOwner() string { return api.OwnerTokenPrefix + strings.ToLower(rand.Text()) }
