package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/api"
)

// Notify tells where one is told how jobs ended.
func (c *Client) Notify(ctx context.Context) (out api.Notify, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathNotify, nil, nil, &out)
}

// SetEmail asks for mail to an address; a code that confirms it is sent there.
func (c *Client) SetEmail(ctx context.Context, in api.Email) (out api.Notify, err error) {
	return out, c.call(ctx, http.MethodPut, api.PathEmail, nil, in, &out)
}

// ConfirmEmail confirms an address with the code that was sent there.
func (c *Client) ConfirmEmail(ctx context.Context, in api.EmailCode) (out api.Notify, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathConfirm, nil, in, &out)
}

// RemoveEmail ends the mails.
func (c *Client) RemoveEmail(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, api.PathEmail, nil, nil, nil)
}

// AddWebhook asks for posts to a URL.
func (c *Client) AddWebhook(ctx context.Context, in api.NewWebhook) (out api.CreatedWebhook, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathWebhooks, nil, in, &out)
}

// RemoveWebhook ends the posts to a webhook.
func (c *Client) RemoveWebhook(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, strings.Replace(api.PathWebhook, "{id}", url.PathEscape(id), 1), nil, nil, nil)
}

// TestNotify sends a test to the address and to each webhook.
func (c *Client) TestNotify(ctx context.Context) (out api.DeliveryList, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathTest, nil, nil, &out)
}

// Deliveries lists what was sent or is to be sent, the newest first. A limit of
// 0 is the server's own.
func (c *Client) Deliveries(ctx context.Context, limit int) (out api.DeliveryList, err error) {
	q := url.Values{}
	if limit > 0 {
		q.Set(api.QueryLimit, strconv.Itoa(limit))
	}
	return out, c.call(ctx, http.MethodGet, api.PathDeliveries, q, nil, &out)
}
