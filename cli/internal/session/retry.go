package session

import (
	"net/http"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

// retryTransport retries GET and HEAD requests that the server answers with 502,
// 503 or 504: a service may be restarting, which takes a second or two. Transfers
// have a longer retry timeout of their own.
type retryTransport struct{ base http.RoundTripper }

// The pauses before the retries.
const (
	retries    = 3
	firstPause = 300 * time.Millisecond
	longest    = 1500 * time.Millisecond
)

// RoundTrip implements http.RoundTripper.
func (t retryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	pauses := backoff.Backoff{First: firstPause, Max: longest}
	res, err := t.base.RoundTrip(req)
	for range retries {
		if err != nil || !retryable(req, res) {
			break
		}
		_ = res.Body.Close()
		if err := backoff.Sleep(req.Context(), pauses.Next()); err != nil {
			return nil, err
		}
		res, err = t.base.RoundTrip(req)
	}
	return res, err
}

// retryable reports whether a retry may succeed and can do no harm.
func retryable(req *http.Request, res *http.Response) bool {
	reads := req.Method == http.MethodGet || req.Method == http.MethodHead
	return reads && api.CodeOfStatus(res.StatusCode) == sx.CodeUnavailable
}
