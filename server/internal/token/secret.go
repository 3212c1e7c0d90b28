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

// NewSecret makes a secret for the record of the id: the prefix, the id, and 130
// random bits in base32.
func NewSecret(prefix, id string) string { return prefix + id + strings.ToLower(rand.Text()) }

// SecretID gives the id in a secret, "" for what NewSecret cannot have made.
func SecretID(prefix, secret string) string {
	rest, ok := strings.CutPrefix(secret, prefix)
	if !ok || len(rest) != idLength+secretLength {
		return ""
	}
	return rest[:idLength]
}

// Hash is what is stored of a secret that is too long to be guessed: its
// SHA-256 in hex.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// IsPersonal reports whether a bearer's token is meant to be a personal one.
func IsPersonal(raw string) bool { return strings.HasPrefix(raw, api.TokenPrefix) }
