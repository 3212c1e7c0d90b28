package api

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// The paths of account management. {name} is an account's name, {id} a token's ID.
// All except PathExchange require the access token of a password sign-in; those
// below /v1/admin, an administrator's.
const (
	PathPassword = "/v1/auth/password"    // POST PasswordChange: Tokens
	PathTokens   = "/v1/auth/tokens"      // GET: TokenList; POST NewToken: CreatedToken
	PathToken    = "/v1/auth/tokens/{id}" // DELETE: 204

	PathUsers       = "/v1/admin/users"                // GET: UserList
	PathEnable      = "/v1/admin/users/{name}/enable"  // POST: User
	PathDisable     = "/v1/admin/users/{name}/disable" // POST: User
	PathInvitations = "/v1/admin/invitations"          // POST NewInvitation: Invitation

	// PathExchange is internal: the gateway calls it and does not forward it.
	PathExchange = "/v1/auth/exchange" // POST ExchangeRequest: Exchanged
)

// The prefixes of secrets that users copy. They make leaked secrets recognizable
// to users and to secret scanners.
const (
	TokenPrefix      = "sxp_" // of personal tokens
	InvitationPrefix = "sxi_" // of invitation codes
	OwnerTokenPrefix = "sxo_" // of the tokens of local servers' owners
)

// OwnerTokenFile is the name of the file in the data directory of a local server that
// contains its owner's token. Only the user who runs the server can read it. Each start
// of the server creates another token; a server that other machines can reach has none.
const OwnerTokenFile = "owner-token"

// PasswordChange changes the password of an account. The response starts a new
// session; all other sessions of the account end. A request with the owner's token
// needs no old password.
type PasswordChange struct {
	OldPassword string `json:"old_password,omitempty"`
	NewPassword string `json:"new_password"`
}

// Me is the current account, with the credential of the request.
type Me struct {
	User
	Credential Credential `json:"credential"`
}

// Credential is what a request is authenticated by.
type Credential struct {
	Kind CredentialKind `json:"kind"`
	Name string         `json:"name,omitempty"` // of a personal token
	// Expires is, of a sign-in, when it ends unless it is used before; nil for the
	// owner's token, which is valid while the server runs.
	Expires *time.Time `json:"expires,omitempty"`
}

// CredentialKind is the kind of a Credential.
type CredentialKind string

// The kinds of credentials.
const (
	CredentialSignIn CredentialKind = "sign_in"
	CredentialToken  CredentialKind = "personal_token"
	CredentialOwner  CredentialKind = "owner_token" // of a local server
)

// NewToken is the request to create a personal token.
type NewToken struct {
	Name      string `json:"name"`
	ExpiresIn int    `json:"expires_in"` // seconds, 60 to MaxTokenLife
}

// MaxTokenLife is the longest lifetime of a personal token.
const MaxTokenLife = 366 * 24 * time.Hour

// PersonalToken is one of the user's tokens, without its secret.
type PersonalToken struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// CreatedToken is a personal token with its secret, which is shown only once.
type CreatedToken struct {
	PersonalToken
	Token string `json:"token"` // sent as Authorization: Bearer
}

// TokenList holds the user's personal tokens, oldest first. Expired tokens stay
// listed for a month.
type TokenList struct {
	Tokens []PersonalToken `json:"tokens"`
}

// UserList is one page of accounts in order of name.
type UserList struct {
	Users []User `json:"users"`
	// Next is the value of QueryAfter for the next page; "" on the last page.
	Next string `json:"next,omitempty"`
}

// NewInvitation is the request to create an invitation.
type NewInvitation struct {
	ExpiresIn int `json:"expires_in"` // seconds, 60 to MaxInvitationLife
}

// MaxInvitationLife is the longest lifetime of an invitation.
const MaxInvitationLife = 90 * 24 * time.Hour

// Invitation allows one registration. Its code is shown only once.
type Invitation struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// ExchangeRequest exchanges a personal token for an access token.
type ExchangeRequest struct {
	Token string `json:"token"`
}

// Exchanged is the response to ExchangeRequest.
type Exchanged struct {
	AccessToken string `json:"access_token"`
}

// FromToken converts a personal token to its wire format.
func FromToken(t sx.PersonalToken) PersonalToken {
	return PersonalToken{ID: t.ID, Name: t.Name, Created: t.Created.UTC(), Expires: t.Expires.UTC()}
}
