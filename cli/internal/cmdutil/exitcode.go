package cmdutil

import (
	"context"
	"errors"

	"github.com/soundextract/sx/server/sx"
)

// ExitMeaning explains one exit code.
type ExitMeaning struct {
	Code int
	Text string
}

// ExitCodes explains all exit codes, in ascending order.
func ExitCodes() []ExitMeaning {
	return []ExitMeaning{
		{sx.ExitOK, "success"},
		{sx.ExitFailure, "any other error"},
		{sx.ExitUsage, "invalid usage: wrong flags or arguments"},
		{sx.ExitBadInput, "bad input: an unusable file, ID, name or setting"},
		{sx.ExitUnreachable, "the server is unreachable or not ready"},
		{sx.ExitTryAgain, "timed out, out of space or too many attempts: try again, nothing is lost"},
		{sx.ExitNotAllowed, "not allowed: not signed in, wrong password or quota exceeded"},
		{sx.ExitProblems, "the checks found problems"},
		{sx.ExitInterrupted, "interrupted by Ctrl-C or a signal"},
	}
}

// ErrorCode is sx.CodeOf, but also has codes for the errors of contexts.
func ErrorCode(err error) sx.Code {
	var coded sx.Coded
	switch {
	case errors.As(err, &coded):
		return coded.ErrorCode()
	case errors.Is(err, context.DeadlineExceeded):
		return sx.CodeTimedOut
	case errors.Is(err, context.Canceled):
		return sx.CodeInterrupted
	default:
		return sx.CodeInternal
	}
}
