package api

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Error is the wire format of an sx.Error.
type Error struct {
	Code    sx.Code `json:"code"`
	Message string  `json:"message"`
	Hint    string  `json:"hint"`
}

// ErrorBody is the body of every response with a status of 400 or above.
type ErrorBody struct {
	Error Error `json:"error"`
}

// CodeOfStatus returns the best matching code for the status of a response without
// an ErrorBody, which came from a proxy or another server or in response to HEAD.
func CodeOfStatus(status int) sx.Code {
	switch status {
	case http.StatusUnauthorized:
		return sx.CodeUnauthenticated
	case http.StatusNotFound:
		return sx.CodeNotFound
	case http.StatusConflict:
		return sx.CodeConflict
	case http.StatusGone:
		return sx.CodeUploadExpired
	case http.StatusRequestEntityTooLarge:
		return sx.CodeTooLarge
	case http.StatusInsufficientStorage:
		return sx.CodeStorageFull
	case http.StatusTooManyRequests:
		return sx.CodeTooManyAttempts
	case http.StatusRequestTimeout, http.StatusLocked, http.StatusTooEarly,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return sx.CodeUnavailable
	}
	if status < http.StatusInternalServerError {
		return sx.CodeInvalid
	}
	return sx.CodeInternal
}

// FromError converts any error to its wire format, without its cause. An error
// without a code becomes internal.
func FromError(err error) Error {
	e := sx.AsError(err)
	return Error{Code: e.Code, Message: e.Message, Hint: e.Hint}
}

// maxCode limits an unknown code of a newer server, in bytes.
const maxCode = 50

// ToError is the reverse of FromError, for an error that is not trusted.
func (e Error) ToError() *sx.Error {
	return sx.NewError(sx.Code(sx.CleanLine(string(e.Code), maxCode)), "%s", e.Message).WithHint("%s", e.Hint)
}

// Write sends a response with v as JSON.
func Write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // names full of < would have six times their length
	_ = enc.Encode(v)        // fails only if the client has disconnected
}

// unavailableWait is what Retry-After says with the code unavailable. Elections and
// restarts take some seconds; clients that wait longer each time need only an initial
// value.
const unavailableWait = 2 * time.Second

// WriteError sends a response with the error and the status of its code. The header
// Retry-After is the error's, if it has none yet.
func WriteError(w http.ResponseWriter, err error) {
	e := FromError(err)
	wait := sx.AsError(err).RetryAfter
	if wait == 0 && e.Code == sx.CodeUnavailable {
		wait = unavailableWait
	}
	if wait > 0 && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds())))) // RFC 9110 section 10.2.3
	}
	Write(w, e.Code.Status(), ErrorBody{Error: e})
}
