package httpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// maxBody is in bytes. The largest JSON body contains a name and a password of
// maximum length whose bytes are all written as \u00xx.
const maxBody = 16 << 10

// Decode decodes a JSON body strictly: an unknown field is an error. It requires the
// Content-Type of JSON as a protection against CSRF: another site's page can send
// forms across origins, but not JSON.
func Decode(w http.ResponseWriter, r *http.Request, into any) error {
	return DecodeUpTo(maxBody, w, r, into)
}

// bytesPerValue bounds the number of values in a body by the greatest length that it may
// have: a list of {} could need a hundred times as much memory as it is long.
const bytesPerValue = 64

// DecodeUpTo is Decode for larger bodies, of up to size bytes.
func DecodeUpTo(size int64, w http.ResponseWriter, r *http.Request, into any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return sx.NewError(sx.CodeInvalid, "the content type of the request is not application/json").
			WithHint("send the header Content-Type: application/json")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, size))
	if err == nil {
		err = decodeStrictly(raw, int(size)/bytesPerValue, into)
	}
	var tooLong *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case r.Context().Err() != nil:
		return r.Context().Err()
	case errors.As(err, &tooLong):
		return sx.NewError(sx.CodeTooLarge, "request body too large").
			WithHint("send at most %d bytes", tooLong.Limit)
	default:
		// The decoder's errors contain fields and positions, but no values.
		return sx.NewError(sx.CodeInvalid, "invalid request body: %v", err)
	}
}

func decodeStrictly(raw []byte, maxValues int, into any) error {
	if api.CountValues(raw) > maxValues {
		return fmt.Errorf("it has more than %d values", maxValues)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, end := dec.Token(); !errors.Is(end, io.EOF) {
		return errors.New("unexpected data after the JSON object")
	}
	return nil
}

// Routes returns mux with responses in the API's error format for an unknown path
// (404) and for a method that a path does not support (405).
func Routes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		// No pattern matched, so h writes the mux's own response. Only its status and
		// the header Allow are used.
		response := newBuffer()
		h.ServeHTTP(response, r)
		if response.status != http.StatusMethodNotAllowed {
			api.WriteError(w, sx.NewError(sx.CodeNotFound, "path %s not found", r.URL.Path).
				WithHint("see the API description at %s", api.PathOpenAPI))
			return
		}
		allow := response.header.Get("Allow")
		w.Header().Set("Allow", allow)
		api.Write(w, response.status, api.ErrorBody{Error: api.FromError(
			sx.NewError(sx.CodeInvalid, "method %s not allowed for %s", r.Method, r.URL.Path).
				WithHint("use %s", strings.ReplaceAll(allow, ", ", " or ")))})
	})
}

// WriteError is SendError for a service that logs errors of the server (status 5xx), whose
// cause is not in the response, in no other way.
func WriteError(ctx context.Context, w http.ResponseWriter, log *slog.Logger, err error) {
	if !isEnd(ctx, err) && !SlowBody(ctx) && sx.CodeOf(err).Status() >= http.StatusInternalServerError {
		log.ErrorContext(ctx, "request failed", "error", Cause(err))
	}
	SendError(ctx, w, err)
}

// SendError writes err as api.WriteError does. If the body did not arrive in time, the
// response says that instead. If the error only results from the end of the request's own
// ctx, it says that the server is stopping, so that the client tries again, or there is no
// response because the client has closed the connection.
func SendError(ctx context.Context, w http.ResponseWriter, err error) {
	switch {
	case RefuseSlowBody(ctx, w):
	case !isEnd(ctx, err):
		api.WriteError(w, err)
	case draining(ctx):
		api.WriteError(w, sx.NewError(sx.CodeUnavailable, "the server is stopping"))
	}
}

// isEnd reports whether err results from the end of ctx.
func isEnd(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}
