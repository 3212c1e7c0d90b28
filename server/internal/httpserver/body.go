package httpserver

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/soundextract/sx/server/sx"
)

// maxBody is in bytes: the longest password, each byte written as \u00xx, and
// a name, are the most that is sent as JSON.
const maxBody = 16 << 10

// Decode reads a JSON body strictly: a misspelt field is refused, not ignored.
// The Content-Type is demanded, because a web page of a stranger can send forms
// across origins but not JSON.
func Decode(w http.ResponseWriter, r *http.Request, into any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return sx.NewError(sx.CodeInvalid, "the request's body is not declared as JSON").
			WithHint("send the header Content-Type: application/json")
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is something after the JSON object")
		}
	}
	var tooLong *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case r.Context().Err() != nil:
		return r.Context().Err()
	case errors.As(err, &tooLong):
		return sx.NewError(sx.CodeTooLarge, "the request's body is too large").
			WithHint("send at most %d bytes", tooLong.Limit)
	default:
		// The decoder's errors name fields and positions, not values.
		return sx.NewError(sx.CodeInvalid, "the request's body cannot be read: %v", err)
	}
}
