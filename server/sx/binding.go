package sx

import (
	"crypto/sha256"
	"encoding/hex"
)

// Binding says which account somebody whom an OpenID provider has authenticated signs in
// to. It counts only while the account names it too.
type Binding struct {
	ID              string // see BindingID
	Issuer, Subject string // the provider, and its name for the person, which it never reuses
	UserID          string
	Rev             int64
}

// BindingID returns the ID of the binding of a subject of an issuer: there can be only one.
func BindingID(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject)) // a URL contains no NUL
	return hex.EncodeToString(sum[:])
}
