// Package exitcode is the one table of the codes that sx ends with, in the
// style of sysexits.h, and the one place that chooses among them.
package exitcode

import (
	"context"
	"errors"

	"github.com/soundextract/sx/cli/internal/usage"
	"github.com/soundextract/sx/install/watch"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// The exit codes.
const (
	OK          = 0
	Failure     = 1
	Usage       = 64
	BadInput    = 65
	Unreachable = 69
	TryAgain    = 75
	NotAllowed  = 77
	Problems    = 79
	Interrupted = 130
)

// Meaning explains one exit code.
type Meaning struct {
	Code int
	Text string
}

// Table explains all exit codes, in ascending order.
func Table() []Meaning {
	return []Meaning{
		{OK, "it worked"},
		{Failure, "an error that has no code of its own"},
		{Usage, "the command was typed wrong"},
		{BadInput, "bad input: the file, the id, the name or a setting is not usable"},
		{Unreachable, "the server cannot be reached or is not ready"},
		{TryAgain, "timed out or no room right now: try again, nothing is lost"},
		{NotAllowed, "not allowed: not signed in, wrong password or over the quota"},
		{Problems, "checks found problems"},
		{Interrupted, "interrupted by Ctrl-C or a signal"},
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

// byCode holds the exit code of every code; those not here are Failure.
var byCode = map[sx.Code]int{
	CodeUsage:       Usage,
	CodeUnreachable: Unreachable,
	CodeTimedOut:    TryAgain,
	CodeInterrupted: Interrupted,
	CodeProblems:    Problems,

	sx.CodeUnavailable: Unreachable,

	sx.CodeInvalid:     BadInput,
	sx.CodeNotFound:    BadInput,
	sx.CodeNameTaken:   BadInput,
	sx.CodeTooLarge:    BadInput,
	sx.CodeNotMedia:    BadInput,
	sx.CodePlaylist:    BadInput,
	sx.CodeNoAudio:     BadInput,
	sx.CodeNoSuchTrack: BadInput,
	sx.CodeTruncated:   BadInput,
	sx.CodeUnreadable:  BadInput,
	sx.CodeTimeLimit:   BadInput,
	sx.CodeMemoryLimit: BadInput,
	sx.CodeOutputLimit: BadInput,

	sx.CodeUnauthenticated: NotAllowed,
	sx.CodeBadCredentials:  NotAllowed,
	sx.CodeSessionEnded:    NotAllowed,
	sx.CodeQuotaExceeded:   NotAllowed,

	sx.CodeForbidden:          NotAllowed,
	sx.CodeAccountDisabled:    NotAllowed,
	sx.CodeRegistrationClosed: NotAllowed,
	sx.CodeBadInvitation:      NotAllowed,

	sx.CodeTooManyAttempts: TryAgain,
	sx.CodeOffsetConflict:  TryAgain,
	sx.CodeUploadExpired:   TryAgain,
	sx.CodeStorageFull:     TryAgain,
}

// Of is the exit code of an error's code.
func Of(code sx.Code) int {
	if n, ok := byCode[code]; ok {
		return n
	}
	return Failure
}

// Code finds what kind of error err is. It is sx.CodeInternal for one of which
// nothing is known.
func Code(err error) sx.Code {
	var (
		typed   *usage.Error
		known   *sx.Error
		silence *client.Unreachable
		problem *watch.Problem
	)
	switch {
	case errors.As(err, &typed):
		return CodeUsage
	case errors.As(err, &known):
		return known.Code
	case errors.As(err, &silence):
		return CodeUnreachable
	case errors.Is(err, context.DeadlineExceeded):
		return CodeTimedOut
	case errors.As(err, &problem):
		return CodeNotReady
	case errors.Is(err, context.Canceled):
		return CodeInterrupted
	default:
		return sx.CodeInternal
	}
}
