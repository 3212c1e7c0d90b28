package api

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// The paths of accounts beyond signing in and out. {name} stands for an
// account's name, {id} for a token's id. All but PathExchange demand the access
// token of a sign-in with a password; those below /v1/admin, an administrator's.
const (
	PathPassword = "/v1/auth/password"    // POST PasswordChange: Tokens
	PathTokens   = "/v1/auth/tokens"      // GET: TokenList; POST NewToken: CreatedToken
	PathToken    = "/v1/auth/tokens/{id}" // DELETE: 204

	PathUsers       = "/v1/admin/users"                // GET: UserList
	PathEnable      = "/v1/admin/users/{name}/enable"  // POST: User
	PathDisable     = "/v1/admin/users/{name}/disable" // POST: User
	PathInvitations = "/v1/admin/invitations"          // POST NewInvitation: Invitation

	// PathExchange is between the services: the gateway does not pass it on.
	PathExchange = "/v1/auth/exchange" // POST ExchangeRequest: Exchanged
)

// The prefixes of the secrets that people copy, by which one that lies about is
// found: by scanners, and by the eye.
const (
	TokenPrefix      = "sxp_" // of personal tokens
	InvitationPrefix = "sxi_" // of invitations' codes
)

// PasswordChange gives an account another password. The answer is a new
// sign-in; all others of the account are over.
type PasswordChange struct {
	OldPassword string `json:"old_password"`
	NewPassword string `json:"new_password"`
}

// NewToken asks for a personal token.
type NewToken struct {
	Name      string `json:"name"`
	ExpiresIn int    `json:"expires_in"` // seconds, 60 to MaxTokenLife
}

// MaxTokenLife is how long a personal token is good at most.
const MaxTokenLife = 366 * 24 * time.Hour

// PersonalToken is one of the user's tokens, without its secret.
type PersonalToken struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// CreatedToken is a personal token with its secret, which is told only here.
type CreatedToken struct {
	PersonalToken
	Token string `json:"token"` // sent as Authorization: Bearer
}

// TokenList holds the user's personal tokens, the oldest first, expired ones for
// a month too.
type TokenList struct {
	Tokens []PersonalToken `json:"tokens"`
}

// UserList is one page of accounts in the order of their names.
type UserList struct {
	Users []User `json:"users"`
	// Next is what to send as "after" for the next page; "" on the last.
	Next string `json:"next,omitempty"`
}

// NewInvitation asks for an invitation.
type NewInvitation struct {
	ExpiresIn int `json:"expires_in"` // seconds, 60 to MaxInvitationLife
}

// MaxInvitationLife is how long an invitation is good at most.
const MaxInvitationLife = 90 * 24 * time.Hour

// Invitation lets one person register; its code is told only here.
type Invitation struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// ExchangeRequest asks for an access token in exchange for a personal one.
type ExchangeRequest struct {
	Token string `json:"token"`
}

// Exchanged is the access token.
type Exchanged struct {
	AccessToken string `json:"access_token"`
}

// FromToken brings a personal token to its wire form.
func FromToken(t sx.PersonalToken) PersonalToken {
	return PersonalToken{ID: t.ID, Name: t.Name, Created: t.Created.UTC(), Expires: t.Expires.UTC()}
}
