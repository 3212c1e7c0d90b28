package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/api"
)

// ChangePassword changes the password and starts a new session. All other sessions
// of the account end.
func (c *Client) ChangePassword(ctx context.Context, in api.PasswordChange) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathPassword, nil, in, &out)
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

// Invite creates an invitation.
func (c *Client) Invite(ctx context.Context, in api.NewInvitation) (out api.Invitation, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathInvitations, nil, in, &out)
}

func userPath(pattern, name string) string {
	return strings.Replace(pattern, "{name}", url.PathEscape(name), 1)
}
