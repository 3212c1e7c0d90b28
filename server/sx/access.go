package sx

import (
	"regexp"
	"time"
)

// Invitation lets one person make an account. Only the code's hash is kept.
type Invitation struct {
	ID      string
	Hash    string // hex SHA-256 of the code
	Inviter string // the administrator's user id
	Created time.Time
	Expires time.Time
	// UsedBy is the name of the account that it was used for, "" before that.
	UsedBy string
	Rev    int64 // see store.Invitations
}

// PersonalToken stands for its user in automation, until it expires or is
// revoked. Only its hash is kept.
type PersonalToken struct {
	ID      string
	UserID  string
	Name    string // unique among the user's, as TokenName allows
	Hash    string // hex SHA-256 of the token
	Created time.Time
	Expires time.Time
}

var tokenNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// TokenName returns an Error of code invalid for what cannot be a personal
// token's name.
func TokenName(name string) error {
	if !tokenNamePattern.MatchString(name) {
		return NewError(CodeInvalid, "invalid token name %q", name).
			WithHint("use 1 to 63 letters, digits and . _ -, starting with a letter or digit")
	}
	return nil
}
