// Package client calls SoundExtract's HTTP API. It returns a response with an error
// status as the *sx.Error that the server sent, and a server that cannot be reached
// as an *Unreachable.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
}

// New returns a client for the server at base, such as "http://127.0.0.1:8740".
// The Transport of hc authenticates the requests (see Bearer).
func New(base string, hc *http.Client) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Host == "" || strings.HasSuffix(u.Host, ":") || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, sx.NewError(sx.CodeInvalid, "invalid server URL %q", base).
			WithHint("use a URL such as http://127.0.0.1:8740")
	}
	return &Client{base: u, http: hc}, nil
}

// NewRequest returns a request for a path of the server, in which names and IDs are
// escaped with url.PathEscape. query may be nil.
func (c *Client) NewRequest(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	u := *c.base
	u.Path, u.RawPath = c.base.Path+plain, c.base.EscapedPath()+path
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	return req, nil
}

// Do sends a request made by NewRequest. It returns a response with a status of 400
// or above as an error, with the body closed.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.failed(req, err)
	}
	if res.StatusCode < http.StatusBadRequest {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	return nil, readError(res)
}

// failed returns the error for a request without a complete response.
func (c *Client) failed(req *http.Request, err error) error {
	if ctxErr := req.Context().Err(); ctxErr != nil {
		return ctxErr
	}
	var known *sx.Error
	if errors.As(err, &known) {
		return known // the Transport could not authenticate the request
	}
	return &Unreachable{Server: c.base.Host, Err: err}
}

// call sends in as JSON (nil sends no body) and decodes the response into out (nil
// discards it).
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := c.NewRequest(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if out == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxErrorBody)) // so that the connection can be reused
		if res.StatusCode != http.StatusNoContent {
			return Foreign(c.base.Host, res.StatusCode)
		}
		return nil
	}
	if t, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); t != "application/json" {
		return Foreign(c.base.Host, res.StatusCode)
	}
	if err := readClean(res.Body, out); err != nil {
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		var malformed *sx.Error
		if errors.As(err, &malformed) {
			return err
		}
		return &Unreachable{Server: c.base.Host, Err: err}
	}
	return nil
}

// Registration says who may create an account.
func (c *Client) Registration(ctx context.Context) (out api.Registration, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathRegister, nil, nil, &out)
}

// Register creates an account and signs in.
func (c *Client) Register(ctx context.Context, in api.Credentials) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathRegister, nil, in, &out)
}

// Login signs in.
func (c *Client) Login(ctx context.Context, in api.Credentials) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathLogin, nil, in, &out)
}

// CreateDevice begins a sign-in that a browser approves.
func (c *Client) CreateDevice(ctx context.Context) (out api.NewDevice, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathDevices, nil, struct{}{}, &out)
}

// DeviceTokens returns the tokens of a sign-in that was approved; without an access token,
// nobody has approved it yet.
func (c *Client) DeviceTokens(ctx context.Context, code string) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathDeviceToken, nil, api.DeviceToken{Code: code}, &out)
}

// Refresh exchanges a refresh token for new tokens; the old one becomes invalid.
func (c *Client) Refresh(ctx context.Context, in api.RefreshRequest) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathRefresh, nil, in, &out)
}

// Logout ends the session that the refresh token belongs to.
func (c *Client) Logout(ctx context.Context, token string) error {
	return c.call(ctx, http.MethodPost, api.PathLogout, nil, api.RefreshRequest{RefreshToken: token}, nil)
}

// Usage returns how much the user's jobs store.
func (c *Client) Usage(ctx context.Context) (out api.Usage, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathUsage, nil, nil, &out)
}

// Me returns the current account.
func (c *Client) Me(ctx context.Context) (out api.Me, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathMe, nil, nil, &out)
}

// Health checks that the server is alive.
func (c *Client) Health(ctx context.Context) (out api.Health, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathHealth, nil, nil, &out)
}

// Ready checks that the server is ready to serve requests.
func (c *Client) Ready(ctx context.Context) (out api.Health, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathReady, nil, nil, &out)
}

// JobFilter selects jobs; a zero field does not restrict the selection.
type JobFilter struct {
	States []sx.State
	IDs    []string
	Name   string
	Labels []string
	Shared bool // jobs with links
	Limit  int
	After  string
}

// Jobs returns one page of the user's jobs.
func (c *Client) Jobs(ctx context.Context, f JobFilter) (out api.JobList, err error) {
	q := url.Values{}
	for _, s := range f.States {
		q.Add(api.QueryState, string(s))
	}
	for _, id := range f.IDs {
		q.Add(api.QueryID, id)
	}
	for _, l := range f.Labels {
		q.Add(api.QueryLabel, l)
	}
	if f.Name != "" {
		q.Set(api.QueryName, f.Name)
	}
	if f.Shared {
		q.Set(api.QueryShared, "true")
	}
	if f.Limit > 0 {
		q.Set(api.QueryLimit, strconv.Itoa(f.Limit))
	}
	if f.After != "" {
		q.Set(api.QueryAfter, f.After)
	}
	return out, c.call(ctx, http.MethodGet, api.PathJobs, q, nil, &out)
}

// Job returns a job.
func (c *Client) Job(ctx context.Context, id string) (out api.Job, err error) {
	err = c.call(ctx, http.MethodGet, jobPath(api.PathJob, id), nil, nil, &out)
	return requested(id, out, err)
}

// Cancel cancels a job.
func (c *Client) Cancel(ctx context.Context, id string) (out api.Job, err error) {
	err = c.call(ctx, http.MethodPost, jobPath(api.PathCancel, id), nil, nil, &out)
	return requested(id, out, err)
}

// Retry queues a failed or cancelled job again.
func (c *Client) Retry(ctx context.Context, id string) (out api.Job, err error) {
	err = c.call(ctx, http.MethodPost, jobPath(api.PathRetry, id), nil, nil, &out)
	return requested(id, out, err)
}

// Edit changes the tags of a job's MP3, and its labels.
func (c *Client) Edit(ctx context.Context, id string, e api.JobEdit) (out api.Job, err error) {
	err = c.call(ctx, http.MethodPatch, jobPath(api.PathJob, id), nil, e, &out)
	return requested(id, out, err)
}

// Remove deletes a job with its video and tracks; an unfinished job is cancelled
// first.
func (c *Client) Remove(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, jobPath(api.PathJob, id), nil, nil, nil)
}

// Lookup returns what is known about sources of the user, at most api.MaxLookup, in the
// same order.
func (c *Client) Lookup(ctx context.Context, items []api.LookupItem) ([]api.Conversion, error) {
	var out api.LookupResult
	err := c.call(ctx, http.MethodPost, api.PathLookup, nil, api.Lookup{Items: items}, &out)
	if err == nil && len(out.Items) != len(items) {
		err = ErrForeign.WithMessage("%s does not respond like a SoundExtract server", c.base.Host)
	}
	return out.Items, err
}

// Track downloads a track, starting at byte from. If etag is not "" and the track
// no longer matches it, the response is the whole track (status 200 instead of
// 206). The caller must close the body. The ETag and Repr-Digest headers contain
// the digest.
func (c *Client) Track(ctx context.Context, id string, number int, from int64, etag string) (*http.Response, error) {
	req, err := c.NewRequest(ctx, http.MethodGet, jobPath(strings.Replace(api.PathTrack, "{number}", strconv.Itoa(number), 1), id), nil, nil)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		if etag != "" {
			req.Header.Set("If-Range", etag)
		}
	}
	return c.Do(req)
}

// CreateShare creates a link to the MP3s of a job.
func (c *Client) CreateShare(ctx context.Context, id string, in api.NewShare) (out api.CreatedShare, err error) {
	return out, c.call(ctx, http.MethodPost, jobPath(api.PathShares, id), nil, in, &out)
}

// RevokeShare revokes a link to the MP3s of a job.
func (c *Client) RevokeShare(ctx context.Context, id, share string) error {
	return c.call(ctx, http.MethodDelete, strings.Replace(jobPath(api.PathShare, id), "{share}", url.PathEscape(share), 1), nil, nil, nil)
}

// CreateFeed creates a podcast feed.
func (c *Client) CreateFeed(ctx context.Context, in api.NewFeed) (out api.CreatedFeed, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathFeeds, nil, in, &out)
}

// Feeds lists the user's podcast feeds.
func (c *Client) Feeds(ctx context.Context) (out api.FeedList, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathFeeds, nil, nil, &out)
}

// RevokeFeed revokes one of the user's podcast feeds.
func (c *Client) RevokeFeed(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, strings.Replace(api.PathFeed, "{id}", url.PathEscape(id), 1), nil, nil, nil)
}

func jobPath(pattern, id string) string {
	return strings.Replace(pattern, "{id}", url.PathEscape(id), 1)
}
