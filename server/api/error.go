package api

import (
	"encoding/json"
	"net/http"

	"github.com/soundextract/sx/server/sx"
)

// Error is how an sx.Error travels.
type Error struct {
	Code    sx.Code `json:"code"`
	Message string  `json:"message"`
	Hint    string  `json:"hint"`
}

// ErrorBody is the body of every answer with a status of 400 and above.
type ErrorBody struct {
	Error Error `json:"error"`
}

// statuses is the one table between codes and HTTP statuses.
var statuses = map[sx.Code]int{
	sx.CodeInternal:    http.StatusInternalServerError,
	sx.CodeUnavailable: http.StatusServiceUnavailable,
	sx.CodeInvalid:     http.StatusBadRequest,
	sx.CodeNotFound:    http.StatusNotFound,
	sx.CodeConflict:    http.StatusConflict,

	sx.CodeUnauthenticated: http.StatusUnauthorized,
	sx.CodeBadCredentials:  http.StatusUnauthorized,
	sx.CodeSessionEnded:    http.StatusUnauthorized,
	sx.CodeTooManyAttempts: http.StatusTooManyRequests,
	sx.CodeNameTaken:       http.StatusConflict,

	sx.CodeForbidden:          http.StatusForbidden,
	sx.CodeAccountDisabled:    http.StatusForbidden,
	sx.CodeRegistrationClosed: http.StatusForbidden,
	sx.CodeBadInvitation:      http.StatusForbidden,

	sx.CodeOffsetConflict: http.StatusConflict,
	sx.CodeUploadExpired:  http.StatusGone,
	sx.CodeTooLarge:       http.StatusRequestEntityTooLarge,
	sx.CodeQuotaExceeded:  http.StatusForbidden,
	sx.CodeStorageFull:    http.StatusInsufficientStorage,

	sx.CodeNotMedia:         http.StatusUnsupportedMediaType,
	sx.CodePlaylist:         http.StatusUnsupportedMediaType,
	sx.CodeNoAudio:          http.StatusUnprocessableEntity,
	sx.CodeNoSuchTrack:      http.StatusUnprocessableEntity,
	sx.CodeTruncated:        http.StatusUnprocessableEntity,
	sx.CodeUnreadable:       http.StatusUnprocessableEntity,
	sx.CodeTimeLimit:        http.StatusUnprocessableEntity,
	sx.CodeMemoryLimit:      http.StatusUnprocessableEntity,
	sx.CodeOutputLimit:      http.StatusUnprocessableEntity,
	sx.CodeConversionFailed: http.StatusUnprocessableEntity,
	sx.CodeWorkerLost:       http.StatusUnprocessableEntity,
}

// Status is the HTTP status of a code; 500 for one that is not in the table.
func Status(code sx.Code) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// FromError brings any error to its wire form; an unknown one becomes
// internal, without its cause.
func FromError(err error) Error {
	e := sx.AsError(err)
	return Error{Code: e.Code, Message: e.Message, Hint: e.Hint}
}

// ToError is the reverse of FromError.
func (e Error) ToError() *sx.Error {
	return &sx.Error{Code: e.Code, Message: e.Message, Hint: e.Hint}
}

// Write answers with v as JSON.
func Write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone cannot be told
}

// WriteError answers with the error and the status of its code.
func WriteError(w http.ResponseWriter, err error) {
	e := FromError(err)
	Write(w, Status(e.Code), ErrorBody{Error: e})
}
