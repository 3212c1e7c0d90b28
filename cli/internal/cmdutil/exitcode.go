package cmdutil

import (
	"context"
	"errors"

	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// The exit codes.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 64
	ExitBadInput    = 65
	ExitUnreachable = 69
	ExitTryAgain    = 75
	ExitNotAllowed  = 77
	ExitProblems    = 79
	ExitInterrupted = 130
)

// ExitMeaning explains one exit code.
type ExitMeaning struct {
	Code int
	Text string
}

// ExitCodes explains all exit codes, in ascending order.
func ExitCodes() []ExitMeaning {
	return []ExitMeaning{
		{ExitOK, "success"},
		{ExitFailure, "any other error"},
		{ExitUsage, "invalid usage: wrong flags or arguments"},
		{ExitBadInput, "bad input: an unusable file, ID, name or setting"},
		{ExitUnreachable, "the server is unreachable or not ready"},
		{ExitTryAgain, "timed out or out of space: try again, nothing is lost"},
		{ExitNotAllowed, "not allowed: not signed in, wrong password or quota exceeded"},
		{ExitProblems, "the checks found problems"},
		{ExitInterrupted, "interrupted by Ctrl-C or a signal"},
	}
}

// Codes of errors that arise in sx itself; a server never sends them.
const (
	CodeUsage       sx.Code = "usage"
	CodeUnreachable sx.Code = "unreachable"
	CodeTimedOut    sx.Code = "timed_out"
	CodeInterrupted sx.Code = "interrupted"
	CodeNotReady    sx.Code = "not_ready"
	CodeProblems    sx.Code = "problems_found"
)

// byCode holds the exit code of every code; those not here are ExitFailure.
var byCode = map[sx.Code]int{
	CodeUsage:       ExitUsage,
	CodeUnreachable: ExitUnreachable,
	CodeTimedOut:    ExitTryAgain,
	CodeInterrupted: ExitInterrupted,
	CodeProblems:    ExitProblems,

	sx.CodeUnavailable: ExitUnreachable,

	sx.CodeInvalid:     ExitBadInput,
	sx.CodeNotFound:    ExitBadInput,
	sx.CodeNameTaken:   ExitBadInput,
	sx.CodeTooLarge:    ExitBadInput,
	sx.CodeNotMedia:    ExitBadInput,
	sx.CodePlaylist:    ExitBadInput,
	sx.CodeNoAudio:     ExitBadInput,
	sx.CodeNoSuchTrack: ExitBadInput,
	sx.CodeTruncated:   ExitBadInput,
	sx.CodeUnreadable:  ExitBadInput,
	sx.CodeTimeLimit:   ExitBadInput,
	sx.CodeMemoryLimit: ExitBadInput,
	sx.CodeOutputLimit: ExitBadInput,

	sx.CodeUnauthenticated: ExitNotAllowed,
	sx.CodeBadCredentials:  ExitNotAllowed,
	sx.CodeSessionEnded:    ExitNotAllowed,
	sx.CodeQuotaExceeded:   ExitNotAllowed,

	sx.CodeForbidden:          ExitNotAllowed,
	sx.CodeAccountDisabled:    ExitNotAllowed,
	sx.CodeRegistrationClosed: ExitNotAllowed,
	sx.CodeBadInvitation:      ExitNotAllowed,

	sx.CodeTooManyAttempts: ExitTryAgain,
	sx.CodeOffsetConflict:  ExitTryAgain,
	sx.CodeUploadExpired:   ExitTryAgain,
	sx.CodeStorageFull:     ExitTryAgain,
}

// ExitCode is the exit code of an error's code.
func ExitCode(code sx.Code) int {
	if n, ok := byCode[code]; ok {
		return n
	}
	return ExitFailure
}

// ErrorCode finds what kind of error err is. It is sx.CodeInternal for one of which
// nothing is known.
func ErrorCode(err error) sx.Code {
	var (
		known   *sx.Error
		silence *client.Unreachable
	)
	switch {
	case errors.As(err, &known):
		return known.Code
	case errors.As(err, &silence):
		return CodeUnreachable
	case errors.Is(err, context.DeadlineExceeded):
		return CodeTimedOut
	case errors.Is(err, context.Canceled):
		return CodeInterrupted
	default:
		return sx.CodeInternal
	}
}
