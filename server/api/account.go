package api

import (
	"cmp"
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

	PathRecover = "/v1/auth/recover" // POST Recovery: Tokens; needs no token
	PathDelete  = "/v1/auth/delete"  // POST AccountDeletion: 202 Erasure

	PathUsers       = "/v1/admin/users"                       // GET: UserList
	PathUser        = "/v1/admin/users/{name}"                // DELETE: 202 Erasure
	PathEnable      = "/v1/admin/users/{name}/enable"         // POST: User
	PathDisable     = "/v1/admin/users/{name}/disable"        // POST: User
	PathReset       = "/v1/admin/users/{name}/reset-password" // POST: ResetCode
	PathLimits      = "/v1/admin/users/{name}/limits"         // PATCH LimitsEdit: Account
	PathInvitations = "/v1/admin/invitations"                 // POST NewInvitation: Invitation

	PathAudit = "/v1/admin/audit" // GET: AuditList; QueryAccount, QuerySince

	PathUpgrade       = "/v1/admin/upgrade"        // GET: Upgrade
	PathFinishUpgrade = "/v1/admin/upgrade/finish" // POST: Upgrade

	// PathExchange is internal: the gateway calls it and does not forward it.
	PathExchange = "/v1/auth/exchange" // POST ExchangeRequest: Exchanged
)

// The prefixes of secrets that users copy. They make leaked secrets recognizable
// to users and to secret scanners.
const (
	TokenPrefix         = "sxp_"   // of personal tokens
	InvitationPrefix    = "sxi_"   // of invitation codes
	ResetPrefix         = "sxr_"   // of codes that set a new password
	OwnerTokenPrefix    = "sxo_"   // of the tokens of local servers' owners
	BrowserPrefix       = "sxs_"   // of the secrets of browser sessions, which are in cookies
	BrowserCodePrefix   = "sxc_"   // of the codes that sign in a browser
	DevicePrefix        = "sxv_"   // of the codes with which programs wait for their approval
	SharePrefix         = "sxl_"   // of links, in their paths
	FeedPrefix          = "sxf_"   // of feeds, in their paths
	WebhookSecretPrefix = "whsec_" // of the keys that sign webhooks, as in Standard Webhooks
)

// SecretPattern is a regular expression (RE2) for every kind of secret that a server
// creates, except for JSON Web Tokens and PEM keys: those with a prefix, and refresh
// tokens, which are the ID of a session, a full stop and 256 bits in base64url.
const SecretPattern = "(?:" + TokenPrefix + "|" + InvitationPrefix + "|" + ResetPrefix + "|" + OwnerTokenPrefix +
	"|" + BrowserPrefix + "|" + BrowserCodePrefix + "|" + DevicePrefix + "|" + SharePrefix + "|" + FeedPrefix + "|" + WebhookSecretPrefix + `)[A-Za-z0-9+/=_-]{8,}` +
	`|\b[a-z2-7]{16}\.[A-Za-z0-9_-]{43}`

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

// ResetCode allows the user of an account to set a new password once. It is shown only
// once.
type ResetCode struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// ResetCodeLife is how long a ResetCode is valid.
const ResetCodeLife = 24 * time.Hour

// Recovery sets a new password with a ResetCode, which names the account. The response
// starts a new session; all other sessions of the account end.
type Recovery struct {
	Code        string `json:"code"`
	NewPassword string `json:"new_password"`
}

// AccountDeletion deletes the account of the caller and everything stored for it.
type AccountDeletion struct {
	Password string `json:"password,omitempty"`
}

// Erasure is the deletion of an account, which cannot be used any more. Its name can be
// used again some time after CompleteAfter.
type Erasure struct {
	Name          string    `json:"name"`
	Requested     time.Time `json:"requested"`
	CompleteAfter time.Time `json:"complete_after"`
}

// Me is the current account, with the credential of the request.
type Me struct {
	User
	Password   bool       `json:"password"` // the account has one
	Credential Credential `json:"credential"`
}

// Credential is what a request is authenticated by.
type Credential struct {
	Kind CredentialKind `json:"kind"`
	Name string         `json:"name,omitempty"` // of a personal token
	// Expires is when the credential expires; a sign-in or browser session is extended by use
	// unless it is Fixed. It is nil for the owner's token, which is valid while the server runs.
	Expires *time.Time `json:"expires,omitempty"`
	// Fixed is set for sign-ins through the organisation, which use does not extend.
	Fixed bool `json:"fixed,omitempty"`
}

// CredentialKind is the kind of a Credential.
type CredentialKind string

// The kinds of credentials.
const (
	CredentialSignIn CredentialKind = "sign_in"
	CredentialToken  CredentialKind = "personal_token"
	CredentialOwner  CredentialKind = "owner_token" // of a local server
	// CredentialBrowser is the cookie of a browser that has signed in.
	CredentialBrowser CredentialKind = "browser"
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
	Users []Account `json:"users"`
	// Next is the value of QueryAfter for the next page; "" on the last page.
	Next string `json:"next,omitempty"`
}

// Account is an account as administrators see it.
type Account struct {
	User
	// Limits are the account's own; nil if it has none. The server's apply for the others.
	Limits *Limits `json:"limits,omitempty"`
}

// LimitsEdit changes the limits of an account. Those that are nil stay as they are, unless
// Reset names them.
type LimitsEdit struct {
	Limits
	Reset []LimitName `json:"reset,omitempty"` // the server's apply again
}

// LimitName names a field of Limits, as in JSON.
type LimitName string

// The names of limits.
const (
	LimitBytes      LimitName = "bytes"
	LimitUploads    LimitName = "uploads"
	LimitJobsPerDay LimitName = "jobs_per_day"
	LimitKeepVideos LimitName = "keep_videos"
	LimitKeepFailed LimitName = "keep_failed"
	LimitKeepTracks LimitName = "keep_tracks"
)

// Apply changes the limits. Its error is of code invalid.
func (e LimitsEdit) Apply(l *sx.Limits) error {
	for _, name := range e.Reset {
		switch name {
		case LimitBytes:
			l.Bytes = nil
		case LimitUploads:
			l.Uploads = nil
		case LimitJobsPerDay:
			l.JobsPerDay = nil
		case LimitKeepVideos:
			l.Videos = nil
		case LimitKeepFailed:
			l.Failed = nil
		case LimitKeepTracks:
			l.Tracks = nil
		default:
			return sx.NewError(sx.CodeInvalid, "unknown limit %q", sx.CleanLine(string(name), maxLimitName)).
				WithHint("see the API's document for the names")
		}
	}
	set := sx.Limits{Owner: l.Owner, Bytes: e.Bytes, Uploads: e.Uploads, JobsPerDay: e.JobsPerDay, Rev: l.Rev}
	for _, period := range []struct {
		seconds *int64
		to      **time.Duration
	}{{e.KeepVideos, &set.Videos}, {e.KeepFailed, &set.Failed}, {e.KeepTracks, &set.Tracks}} {
		if period.seconds != nil {
			// The bounds prevent an overflow; Check refuses what is beyond them.
			d := time.Duration(min(max(*period.seconds, -1), int64(sx.MaxPeriod/time.Second)+1)) * time.Second
			*period.to = &d
		}
	}
	if err := set.Check(); err != nil {
		return err
	}
	if set.None() && len(e.Reset) == 0 {
		return sx.NewError(sx.CodeInvalid, "no limit is to be changed").WithHint("specify at least one")
	}
	*l = set.Or(*l)
	return nil
}

// maxLimitName is longer than any name of a limit, in bytes.
const maxLimitName = 32

// The query parameters of PathAudit, besides QueryLimit and QueryAfter.
const (
	QueryAccount = "account" // entries about the account with the name
	QuerySince   = "since"   // entries from this time on (RFC 3339)
)

// AuditList is one page of the audit log, newest first.
type AuditList struct {
	Entries []AuditEntry `json:"entries"`
	// Next is the value of QueryAfter for the next page; "" on the last page.
	Next string `json:"next,omitempty"`
}

// AuditEntry records what somebody did to an account.
type AuditEntry struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor,omitempty"` // the name of an account; "" is the server itself
	Action  string    `json:"action"`          // see sx.AuditAction
	Account string    `json:"account,omitempty"`
	Address string    `json:"address,omitempty"` // the client's IP address
	Result  string    `json:"result"`            // AuditOK or an error code
}

// AuditOK is the result of an action that succeeded.
const AuditOK = "ok"

// FromAuditEntry converts an entry to its wire format.
func FromAuditEntry(e sx.AuditEntry) AuditEntry {
	return AuditEntry{
		ID: e.ID, Time: e.Time.UTC(), Actor: e.Actor, Action: string(e.Action), Account: e.Account,
		Address: e.Address, Result: cmp.Or(string(e.Result), AuditOK),
	}
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
