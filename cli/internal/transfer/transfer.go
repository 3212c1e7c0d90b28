// Package transfer is what uploads, downloads and watching have in common on a
// bad network: which errors may pass, how long to pause before another try,
// when to give up, and how to notice that nothing moves any more.
package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// Meter is where a transfer shows how it goes.
type Meter interface {
	// Start begins a phase that moves bytes, done of total being there already.
	Start(phase string, done, total int64)
	// Set says how many bytes are there now; it may go back.
	Set(done int64)
	// Percent shows a phase that is measured in percent, with the estimated
	// time left, 0 when it is not known.
	Percent(phase string, percent float64, left time.Duration)
	Waiter
	// Say leaves a line about the transfer.
	Say(format string, args ...any)
}

// Waiter is where pauses are shown.
type Waiter interface {
	// Wait says that nothing goes on until the given time, and why.
	Wait(reason string, until time.Time)
}

// ErrStalled says that a connection was given up because nothing moved on it.
var ErrStalled = errors.New("the connection stalls")

// errTimedOut says that the patience is over.
func errTimedOut(after time.Duration, last error) error {
	return sx.NewError(cmdutil.CodeTimedOut, "gave up after %s without progress: %s", term.FormatDuration(after), reason(last)).
		WithHint("nothing is lost: the same command goes on where it stopped").WithCause(last)
}

// Transient reports whether another try may succeed where err came up.
func Transient(err error) bool {
	if errors.Is(err, ErrStalled) {
		return true
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return false // who answers there is not the server
	}
	var away *client.Unreachable
	if errors.As(err, &away) {
		return true
	}
	var told *sx.Error
	if errors.As(err, &told) {
		switch told.Code {
		case sx.CodeUnavailable, sx.CodeInternal, sx.CodeTooManyAttempts:
			return true
		}
	}
	return false
}

// reason says in a few words why a try failed.
func reason(err error) string {
	var away *client.Unreachable
	if errors.As(err, &away) {
		return "no connection"
	}
	return err.Error()
}

// Named puts a file's name before the message of err; codes, hints and causes stay.
func Named(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var told *sx.Error
	if !errors.As(err, &told) {
		return fmt.Errorf("%s: %w", name, err)
	}
	named := *told
	named.Message = name + ": " + told.Message
	return named.WithCause(err)
}
