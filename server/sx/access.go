package sx

import (
	"regexp"
	"time"
)

// Invitation allows one account to be registered. Only the hash of its code is
// stored.
type Invitation struct {
	ID      string
	Hash    string // hex SHA-256 of the code
	Inviter string // the administrator's user id
	Created time.Time
	Expires time.Time
	// UsedBy is the name of the account that was registered with it, or "".
	UsedBy string
	Rev    int64 // see store.Invitations
}

// PersonalToken authenticates its user in automation until it expires or is
// revoked. Only its hash is stored.
type PersonalToken struct {
	ID      string
	UserID  string
	Name    string // unique for the user; see TokenName
	Hash    string // hex SHA-256 of the token
	Created time.Time
	Expires time.Time
}

var tokenNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// TokenName returns an Error of code invalid if name is not valid for a personal
// token.
func TokenName(name string) error {
	if !tokenNamePattern.MatchString(name) {
		return NewError(CodeInvalid, "invalid token name %q", name).
			WithHint("use 1 to 63 letters, digits and . _ -, starting with a letter or digit")
	}
	return nil
}
