package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	tusd "github.com/tus/tusd/v2/pkg/handler"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// tusError brings one of our errors to a form that the tus handler sends unchanged.
func (s *Service) tusError(ctx context.Context, err error) error {
	s.logFailure(ctx, err)
	e := api.FromError(err)
	body, err := json.Marshal(api.ErrorBody{Error: e})
	if err != nil {
		return err
	}
	out := tusd.NewError(string(e.Code), e.Message, e.Code.Status())
	out.HTTPResponse.Body = string(body) + "\n"
	out.HTTPResponse.Header = tusd.HTTPHeader{"Content-Type": "application/json", "Cache-Control": "no-store"}
	return out
}

// tusAnswer lets the tus handler's own errors out in our form, and makes the
// Location of a new upload a path: behind a proxy that ends TLS, the handler
// cannot know the address that the client used.
type tusAnswer struct {
	http.ResponseWriter
	piece  *piece
	status int // of an error that is held back
	text   bytes.Buffer
}

// Unwrap lets http.ResponseController find the connection.
func (a *tusAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *tusAnswer) WriteHeader(status int) {
	h := a.Header()
	if !a.piece.end() {
		h.Set("Connection", "close")
	}
	if status >= http.StatusBadRequest && h.Get("Content-Type") != "application/json" {
		a.status = status
		return
	}
	if u, err := url.Parse(h.Get("Location")); err == nil && u.Path != "" {
		h.Set("Location", u.Path)
	}
	if status < http.StatusBadRequest && !a.piece.expires.IsZero() {
		h.Set("Upload-Expires", a.piece.expires.UTC().Format(http.TimeFormat))
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *tusAnswer) Write(b []byte) (int, error) {
	if a.status != 0 {
		return a.text.Write(b)
	}
	return a.ResponseWriter.Write(b)
}

// finish sends the error that was held back.
func (a *tusAnswer) finish() {
	if a.status == 0 {
		return
	}
	a.Header().Del("Content-Length")
	code, message, _ := strings.Cut(strings.TrimSpace(a.text.String()), ": ")
	e := fromTus(code, message, a.status)
	status := e.Code.Status()
	if e.Code == sx.CodeInvalid && a.status < http.StatusInternalServerError {
		status = a.status // the tus protocol gives some of them a status of their own
	}
	api.Write(a.ResponseWriter, status, api.ErrorBody{Error: api.FromError(e)})
}

// fromTus brings an error of the tus handler to ours.
func fromTus(code, message string, status int) *sx.Error {
	switch code {
	case tusd.ErrMismatchOffset.ErrorCode:
		return sx.NewError(sx.CodeOffsetConflict, "the upload is at another offset")
	case tusd.ErrReadTimeout.ErrorCode:
		return sx.NewError(sx.CodeOffsetConflict, "no bytes came for too long; what came before is kept")
	case tusd.ErrConnectionReset.ErrorCode, tusd.ErrUnexpectedEOF.ErrorCode:
		return sx.NewError(sx.CodeOffsetConflict, "the connection broke; what came before is kept")
	case tusd.ErrMaxSizeExceeded.ErrorCode:
		return sx.NewError(sx.CodeTooLarge, "the file is larger than this server takes")
	case tusd.ErrSizeExceeded.ErrorCode:
		return sx.NewError(sx.CodeInvalid, "more bytes were sent than the upload's length").
			WithHint("the file may have grown meanwhile; upload it anew once it is complete")
	case tusd.ErrUnsupportedVersion.ErrorCode:
		return sx.NewError(sx.CodeInvalid, "%s", message).WithHint("send Tus-Resumable: %s", tusVersion)
	}
	if status == http.StatusInternalServerError {
		return sx.AsError(tusd.NewError(code, message, status))
	}
	return sx.NewError(sx.CodeInvalid, "%s", message)
}
