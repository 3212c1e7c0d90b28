// Package client calls SoundExtract's HTTP API. An answer with an error status
// comes back as the *sx.Error that the server meant; a server that cannot be
// reached as an *Unreachable.
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

// Client calls one server. Its methods may be called from several goroutines.
type Client struct {
	base *url.URL
	http *http.Client
}

// New makes a client of the server at base, such as "http://127.0.0.1:8740".
// Who signs requests in does so in hc's Transport.
func New(base string, hc *http.Client) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, sx.NewError(sx.CodeInvalid, "invalid server URL %q", base).
			WithHint("use a URL such as http://127.0.0.1:8740")
	}
	return &Client{base: u, http: hc}, nil
}

// ErrForeign is the error for an answer that no SoundExtract server gives.
var ErrForeign = sx.NewError(sx.CodeInternal, "not the answer of a SoundExtract server").WithHint("check the server's address")

// Unreachable says that no answer came from the server.
type Unreachable struct {
	Server string
	Err    error
}

func (e *Unreachable) Error() string { return fmt.Sprintf("no answer from %s: %v", e.Server, e.Err) }

// ErrorCode implements sx.Coded.
func (e *Unreachable) ErrorCode() sx.Code { return sx.CodeUnreachable }

// Unwrap gives the network's error.
func (e *Unreachable) Unwrap() error { return e.Err }

// NewRequest makes a request to a path of the server, with a query that may be nil.
func (c *Client) NewRequest(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Request, error) {
	u := *c.base
	u.Path += path
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	return req, nil
}

// Do sends a request made by NewRequest. A status of 400 and above comes back
// as an error, with the body closed.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		if ctxErr := req.Context().Err(); ctxErr != nil {
			return nil, ctxErr
		}
		var known *sx.Error
		if errors.As(err, &known) {
			return nil, known // the Transport could not sign the request in
		}
		return nil, &Unreachable{Server: c.base.Host, Err: err}
	}
	if res.StatusCode < http.StatusBadRequest {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	return nil, readError(res)
}

const maxErrorBody = 64 << 10

func readError(res *http.Response) error {
	var body api.ErrorBody
	raw, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if json.Unmarshal(raw, &body) == nil && body.Error.Code != "" {
		return body.Error.ToError()
	}
	// An answer to HEAD, which has no body, or not one of ours: a proxy or
	// another server answers at this address.
	return sx.NewError(api.CodeOfStatus(res.StatusCode), "the server answered %s", res.Status)
}

// call sends in as JSON (nil sends no body) and reads the answer into out (nil drops it).
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
		_, _ = io.Copy(io.Discard, res.Body) // lets the connection be used again
		return nil
	}
	if t, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); t != "application/json" {
		return ErrForeign.WithMessage("%s does not answer like a SoundExtract server", c.base.Host)
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		return &Unreachable{Server: c.base.Host, Err: err}
	}
	return nil
}

// Register makes an account and signs it in.
func (c *Client) Register(ctx context.Context, in api.Credentials) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathRegister, nil, in, &out)
}

// Login signs in.
func (c *Client) Login(ctx context.Context, in api.Credentials) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathLogin, nil, in, &out)
}

// Refresh trades a refresh token for new tokens; the old one is used up.
func (c *Client) Refresh(ctx context.Context, token string) (out api.Tokens, err error) {
	return out, c.call(ctx, http.MethodPost, api.PathRefresh, nil, api.RefreshRequest{RefreshToken: token}, &out)
}

// Logout ends the sign-in that the refresh token belongs to.
func (c *Client) Logout(ctx context.Context, token string) error {
	return c.call(ctx, http.MethodPost, api.PathLogout, nil, api.RefreshRequest{RefreshToken: token}, nil)
}

// Me tells who is signed in.
func (c *Client) Me(ctx context.Context) (out api.User, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathMe, nil, nil, &out)
}

// Health asks whether the server is alive.
func (c *Client) Health(ctx context.Context) (out api.Health, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathHealth, nil, nil, &out)
}

// Ready asks whether the server can work.
func (c *Client) Ready(ctx context.Context) (out api.Health, err error) {
	return out, c.call(ctx, http.MethodGet, api.PathReady, nil, nil, &out)
}

// JobFilter selects jobs; a zero field selects all.
type JobFilter struct {
	States []sx.State
	IDs    []string
	Name   string
	Limit  int
	After  string
}

// Jobs gives one page of one's jobs.
func (c *Client) Jobs(ctx context.Context, f JobFilter) (out api.JobList, err error) {
	q := url.Values{}
	for _, s := range f.States {
		q.Add(api.QueryState, string(s))
	}
	for _, id := range f.IDs {
		q.Add(api.QueryID, id)
	}
	if f.Name != "" {
		q.Set(api.QueryName, f.Name)
	}
	if f.Limit > 0 {
		q.Set(api.QueryLimit, strconv.Itoa(f.Limit))
	}
	if f.After != "" {
		q.Set(api.QueryAfter, f.After)
	}
	return out, c.call(ctx, http.MethodGet, api.PathJobs, q, nil, &out)
}

// Job gives one job.
func (c *Client) Job(ctx context.Context, id string) (out api.Job, err error) {
	return out, c.call(ctx, http.MethodGet, jobPath(api.PathJob, id), nil, nil, &out)
}

// Cancel stops a job.
func (c *Client) Cancel(ctx context.Context, id string) (out api.Job, err error) {
	return out, c.call(ctx, http.MethodPost, jobPath(api.PathCancel, id), nil, nil, &out)
}

// Retry queues a failed or cancelled job again.
func (c *Client) Retry(ctx context.Context, id string) (out api.Job, err error) {
	return out, c.call(ctx, http.MethodPost, jobPath(api.PathRetry, id), nil, nil, &out)
}

// Remove deletes a job with its video and track; a job at work is cancelled first.
func (c *Client) Remove(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, jobPath(api.PathJob, id), nil, nil, nil)
}

// Track opens the MP3 of a job's track from the given byte on; etag, when it is not "",
// demands that it still is the same MP3, else all of it comes (status 200
// instead of 206). The caller closes the body. The digest is in the ETag and
// the Repr-Digest header.
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

func jobPath(pattern, id string) string {
	return strings.Replace(pattern, "{id}", url.PathEscape(id), 1)
}
