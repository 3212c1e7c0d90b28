package client

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// maxCheckBody bounds the part of a response that Check reads.
const maxCheckBody = 64 << 10

// Check checks that a SoundExtract server answers, with a request that needs no
// account. If something else answers, such as the sign-in page of a network, the error
// is ErrForeign.
func (c *Client) Check(ctx context.Context) error {
	req, err := c.NewRequest(ctx, http.MethodGet, api.PathKeys, nil, nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.failed(req, err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxCheckBody))
	if err != nil {
		return c.failed(req, err)
	}
	var body struct {
		Keys  []json.RawMessage `json:"keys"`
		Error api.Error         `json:"error"`
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	ours := kind == "application/json" && decodeClean(raw, &body) == nil
	switch {
	case ours && body.Error.Code != "" && body.Error.Code != sx.CodeNotFound:
		return body.Error.ToError()
	case ours && len(body.Keys) > 0:
		return nil
	case !ours && res.StatusCode >= http.StatusBadRequest:
		return responseError(res, raw)
	}
	return Foreign(c.base.Host, res.StatusCode)
}
