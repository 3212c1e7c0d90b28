package transfer

import (
	"context"
	"crypto/tls"
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
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return false // it is not the expected server
	}
	var coded sx.Coded
	return errors.As(err, &coded) && coded.ErrorCode().Retryable()
}

// reason describes err in a few words.
func reason(err error) string {
	var unreachable *client.Unreachable
	if errors.As(err, &unreachable) {
		return "no connection"
	}
	return err.Error()
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
