package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// ErrStalled means that a connection was closed because no bytes were transferred.
var ErrStalled = sx.NewError(sx.CodeUnreachable, "the connection stalled")

func errTimedOut(timeout time.Duration, last error) error {
	return sx.NewError(sx.CodeTimedOut, "gave up after %s without progress: %s", term.FormatDuration(timeout), reason(last)).
		WithHint("nothing is lost: run the same command again to continue where it stopped").WithCause(last)
}

// Retryable reports whether a retry may succeed after err.
func Retryable(err error) bool {
	if unreachable, ok := errors.AsType[*client.Unreachable](err); ok && unreachable.Kind().IsTLS() {
		return false
	}
	var coded sx.Coded
	return errors.As(err, &coded) && coded.ErrorCode().Retryable()
}

// reason describes err in a few words.
func reason(err error) string {
	unreachable, ok := errors.AsType[*client.Unreachable](err)
	if !ok {
		return err.Error()
	}
	if kind := unreachable.Kind().String(); kind != "" {
		return "no connection: " + kind
	}
	return "no connection"
}

// fromProxy reports whether a proxy or something else before the server has caused err.
func fromProxy(err error) bool {
	response, ok := errors.AsType[*client.ResponseError](err)
	return ok && response.Foreign
}

// retryAfter returns how long the server asks to wait, 0 if it does not.
func retryAfter(err error) time.Duration {
	response, ok := errors.AsType[*client.ResponseError](err)
	if !ok {
		return 0
	}
	return response.RetryAfter
}

// Wrap prefixes the message of err with a file's name and keeps its code, hint and cause.
func Wrap(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var known *sx.Error
	if !errors.As(err, &known) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return known.WithMessage("%s: %s", name, known.Message).WithCause(err)
}
