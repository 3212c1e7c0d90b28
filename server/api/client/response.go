package client

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// ErrForeign matches the errors that Foreign returns, in errors.Is.
var ErrForeign = sx.NewError(sx.CodeForeign, "the response is not from a SoundExtract server").
	WithHint("check the server's address; on a public network, sign in to it in a browser first")

// Foreign returns the error for a response from a host, with an HTTP status, that no
// SoundExtract server sends.
func Foreign(host string, status int) error {
	return ErrForeign.WithMessage("the answer from %s is not from a SoundExtract server (HTTP status %d)", host, status).
		WithCause(&ResponseError{Status: status, Foreign: true})
}

// ResponseError is the cause of an error that was made from an HTTP response.
type ResponseError struct {
	Status int // HTTP
	// RetryAfter is how long the response asks to wait before the next request; 0 if
	// it does not say.
	RetryAfter time.Duration
	// Foreign reports that something other than the server has responded: a proxy, or
	// another program.
	Foreign bool
}

func (e *ResponseError) Error() string { return fmt.Sprintf("HTTP status %d", e.Status) }

const maxErrorBody = 64 << 10

// headerResumable is tus.HeaderResumable, which all responses to uploads have.
const headerResumable = "Tus-Resumable"

// readError returns the error for a response with a status of 400 or above.
func readError(res *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	return responseError(res, raw)
}

// responseError is readError for a response whose body starts with raw.
func responseError(res *http.Response, raw []byte) error {
	cause := &ResponseError{Status: res.StatusCode, RetryAfter: retryAfter(res.Header, time.Now())}
	var body api.ErrorBody
	if decodeClean(raw, &body) == nil && body.Error.Code != "" {
		return body.Error.ToError().WithCause(cause)
	}
	if res.Header.Get(api.HeaderRequestID) != "" || res.Header.Get(headerResumable) != "" { // sent by the server in response to HEAD
		return sx.NewError(api.CodeOfStatus(res.StatusCode), "the server responded with %s", res.Status).WithCause(cause)
	}
	cause.Foreign = true
	return foreignError(res, raw).WithCause(cause)
}

// retryAfter returns the value of the header Retry-After (RFC 9110 section 10.2.3), 0
// if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const longest = 24 * time.Hour
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), int(longest/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), longest)
	}
	return 0
}

// foreignError returns the error for a response with an error status that the server
// did not send, and that starts with body.
func foreignError(res *http.Response, body []byte) *sx.Error {
	host, status := res.Request.URL.Host, statusText(res)
	const blocked = "ask the operator of the proxy or firewall before the server to let requests to it pass"
	switch res.StatusCode {
	case http.StatusRequestEntityTooLarge:
		return sx.NewError(sx.CodeTooLarge, "a proxy in front of %s refuses requests of this size (%s)", host, status).
			WithHint("ask the operator of the server to raise the proxy's limit for request bodies")
	case http.StatusTooManyRequests:
		return sx.NewError(sx.CodeTooManyAttempts, "a proxy in front of %s limits the number of requests (%s)", host, status).
			WithHint("wait a moment, then run the same command again")
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return sx.NewError(sx.CodeBlocked, "a proxy in front of %s does not allow %s requests (%s)", host, res.Request.Method, status).
			WithHint("%s, with the methods GET, HEAD, POST, PATCH and DELETE", blocked)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusUnavailableForLegalReasons:
		return sx.NewError(sx.CodeBlocked, "a proxy in front of %s refuses the request (%s)", host, status).WithHint("%s", blocked)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return sx.NewError(sx.CodeUnavailable, "a proxy in front of %s cannot reach the server (%s)", host, status).
			WithHint("the server may be starting; try again in a moment")
	case http.StatusNetworkAuthenticationRequired: // RFC 6585 section 6
		return ErrForeign.WithMessage("the network asks for a sign-in (%s)", status).WithHint("sign in to the network in a browser first")
	case http.StatusBadRequest:
		if bytes.Contains(body, []byte("HTTPS")) { // the text of Go's server and of nginx
			return sx.NewError(sx.CodeBlocked, "%s expects HTTPS (%s)", host, status).WithHint("use an address that starts with https://")
		}
	case http.StatusNotFound, http.StatusGone, http.StatusMisdirectedRequest:
		return ErrForeign.WithMessage("the answer from %s is not from a SoundExtract server (%s)", host, status)
	}
	return sx.NewError(api.CodeOfStatus(res.StatusCode), "the server responded with %s", status)
}

// statusText returns the status with its standard text, because that of the response is not
// trusted.
func statusText(res *http.Response) string {
	return strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + http.StatusText(res.StatusCode))
}
