package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
)

// ChangePassword changes the password and starts a new session. All other sessions
// of the account end.
func (c *Client) ChangePassword(ctx context.Context, in api.PasswordChange) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathPassword, nil, in, &out)
}

// DeleteAccount begins the deletion of the caller's account, whose sessions end.
func (c *Client) DeleteAccount(ctx context.Context, in api.AccountDeletion) (out api.Erasure, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathDelete, nil, in, &out)
}

// CreateBrowserCode creates a code that signs in a browser.
func (c *Client) CreateBrowserCode(ctx context.Context) (out api.BrowserCode, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathBrowserCode, nil, nil, &out)
}

// CreateToken creates a personal token.
func (c *Client) CreateToken(ctx context.Context, in api.NewToken) (out api.CreatedToken, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathTokens, nil, in, &out)
}

// PersonalTokens lists the user's personal tokens.
func (c *Client) PersonalTokens(ctx context.Context) (out api.TokenList, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathTokens, nil, nil, &out)
}

// RevokeToken revokes one of the user's personal tokens.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, strings.Replace(api.PathToken, "{id}", url.PathEscape(id), 1), nil, nil, nil)
}

// Users returns one page of accounts, starting after the given name. A limit of 0
// means the server's default.
func (c *Client) Users(ctx context.Context, after string, limit int) (out api.UserList, err error) {
	q := url.Values{}
	if after != "" {
		q.Set(api.QueryAfter, after)
	}
	if limit > 0 {
		q.Set(api.QueryLimit, strconv.Itoa(limit))
	}
	return out, c.call(ctx, http.MethodGet, api.PathUsers, q, nil, &out)
}

// Disable disables an account, ends its sessions and revokes its personal tokens.
func (c *Client) Disable(ctx context.Context, name string) (out api.User, err error) {
	return out, c.call(ctx, http.MethodPost, userPath(api.PathDisable, name), nil, nil, &out)
}

// Enable enables a disabled account.
func (c *Client) Enable(ctx context.Context, name string) (out api.User, err error) {
	return out, c.call(ctx, http.MethodPost, userPath(api.PathEnable, name), nil, nil, &out)
}

// DeleteUser begins the deletion of an account, whose sessions end.
func (c *Client) DeleteUser(ctx context.Context, name string) (out api.Erasure, err error) {
	return out, c.call(ctx, http.MethodDelete, userPath(api.PathUser, name), nil, nil, &out)
}

// EditLimits changes the limits of an account.
func (c *Client) EditLimits(ctx context.Context, name string, in api.LimitsEdit) (out api.Account, err error) {
	return out, c.call(ctx, http.MethodPatch, userPath(api.PathLimits, name), nil, in, &out)
}

// Audit returns one page of the audit log, newest first, starting after the given
// entry, about the account with the name unless it is "", and since a time unless it is
// zero. A limit of 0 means the server's default.
func (c *Client) Audit(ctx context.Context, account string, since time.Time, after string, limit int) (out api.AuditList, err error) {
	q := url.Values{}
	if account != "" {
		q.Set(api.QueryAccount, account)
	}
	if !since.IsZero() {
		q.Set(api.QuerySince, since.UTC().Format(time.RFC3339))
	}
	if after != "" {
		q.Set(api.QueryAfter, after)
	}
	if limit > 0 {
		q.Set(api.QueryLimit, strconv.Itoa(limit))
	}
	return out, c.call(ctx, http.MethodGet, api.PathAudit, q, nil, &out)
}

// ResetPassword creates a code with which the account's user can set a new password.
func (c *Client) ResetPassword(ctx context.Context, name string) (out api.ResetCode, err error) {
	return out, c.call(ctx, http.MethodPost, userPath(api.PathReset, name), nil, nil, &out)
}

// Recover sets a new password with a code and starts a session. All other sessions of
// the account end.
func (c *Client) Recover(ctx context.Context, in api.Recovery) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathRecover, nil, in, &out)
}

// Upgrade returns the state of the server's last upgrade.
func (c *Client) Upgrade(ctx context.Context) (out api.Upgrade, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathUpgrade, nil, nil, &out)
}

// FinishUpgrade makes the upgrade final, after which the previous release can no longer
// be used.
func (c *Client) FinishUpgrade(ctx context.Context) (out api.Upgrade, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathFinishUpgrade, nil, nil, &out)
}

// Invite creates an invitation.
func (c *Client) Invite(ctx context.Context, in api.NewInvitation) (out api.Invitation, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathInvitations, nil, in, &out)
}

func userPath(pattern, name string) string {
	return strings.Replace(pattern, "{name}", url.PathEscape(name), 1)
}
