package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/api"
)

// Notify returns the notification settings.
func (c *Client) Notify(ctx context.Context) (out api.Notify, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathNotify, nil, nil, &out)
}

// SetEmail sets the e-mail address; the server sends a confirmation code to it.
func (c *Client) SetEmail(ctx context.Context, in api.Email) (out api.Notify, err error) {
	return out, c.call(ctx, http.MethodPut, api.PathEmail, nil, in, &out)
}

// ConfirmEmail confirms the address with the code that was sent to it.
func (c *Client) ConfirmEmail(ctx context.Context, in api.EmailCode) (out api.Notify, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathConfirm, nil, in, &out)
}

// RemoveEmail removes the e-mail address.
func (c *Client) RemoveEmail(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, api.PathEmail, nil, nil, nil)
}

// AddWebhook creates a webhook.
func (c *Client) AddWebhook(ctx context.Context, in api.NewWebhook) (out api.CreatedWebhook, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathWebhooks, nil, in, &out)
}

// RemoveWebhook deletes a webhook.
func (c *Client) RemoveWebhook(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, strings.Replace(api.PathWebhook, "{id}", url.PathEscape(id), 1), nil, nil, nil)
}

// TestNotify sends a test notification to the address and to each webhook.
func (c *Client) TestNotify(ctx context.Context) (out api.DeliveryList, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathTest, nil, nil, &out)
}

// Deliveries lists notification deliveries after a cursor, newest first. A limit of 0 means
// the server's default.
func (c *Client) Deliveries(ctx context.Context, after string, limit int) (out api.DeliveryList, err error) {
	q := url.Values{}
	if after != "" {
		q.Set(api.QueryAfter, after)
	}
	if limit > 0 {
		q.Set(api.QueryLimit, strconv.Itoa(limit))
	}
	return out, c.call(ctx, http.MethodGet, api.PathDeliveries, q, nil, &out)
}

// Replay sends a delivery to its webhook again.
func (c *Client) Replay(ctx context.Context, id string) (out api.Delivery, err error) {
	return out, c.call(ctx, http.MethodPost, strings.Replace(api.PathReplay, "{id}", url.PathEscape(id), 1), nil, nil, &out)
}
