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
	sumLength    = 6
	alphabet     = "abcdefghijklmnopqrstuvwxyz234567" // of base32
)

// NewSecret returns a secret for the record with the id: the prefix, the id, 130 random
// bits in base32, and a checksum of these.
func NewSecret(prefix, id string) string {
	secret := prefix + id + strings.ToLower(rand.Text())
	return secret + checksum(secret)
}

// checksum does not protect against anyone who can compute it. It detects mistyped,
// truncated and most made-up secrets without a lookup of the record.
func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	out := make([]byte, sumLength)
	for i := range out {
		out[i] = alphabet[sum[i]%byte(len(alphabet))]
	}
	return string(out)
}

// SecretID returns the id in a secret of NewSecret, or "" for anything else.
func SecretID(prefix, secret string) string {
	rest, ok := strings.CutPrefix(secret, prefix)
	if !ok || len(rest) != idLength+secretLength+sumLength || strings.Trim(rest, alphabet) != "" {
		return ""
	}
	if end := len(secret) - sumLength; secret[end:] != checksum(secret[:end]) {
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

// IsBrowser reports whether a bearer token has the form of a browser session's secret.
func IsBrowser(raw string) bool { return strings.HasPrefix(raw, api.BrowserPrefix) }

// IsExchanged reports whether the gateway exchanges a bearer token of this form at auth
// for an access token.
func IsExchanged(raw string) bool { return IsPersonal(raw) || IsOwner(raw) || IsBrowser(raw) }

// WellFormed reports whether a token for which IsExchanged is true can be one
// that was issued: whether it has the right length, characters and checksum.
func WellFormed(raw string) bool {
	switch {
	case IsPersonal(raw):
		return SecretID(api.TokenPrefix, raw) != ""
	case IsBrowser(raw):
		return SecretID(api.BrowserPrefix, raw) != ""
	}
	rest := strings.TrimPrefix(raw, api.OwnerTokenPrefix)
	return len(rest) == secretLength && strings.Trim(rest, alphabet) == ""
}

// NewOwner returns a new token for a local server's owner: 130 random bits.
func NewOwner() string { return api.OwnerTokenPrefix + strings.ToLower(rand.Text()) }
