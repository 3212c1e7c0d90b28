package sx

import (
	"errors"
	"fmt"
	"time"
)

// MaxErrorText is the limit of an error's message and of its hint, in bytes. Both may
// quote what a video or a request contains.
const MaxErrorText = 500

// Error is the error type of SoundExtract. Message says what is wrong and Hint
// what to do next; both are meant for the users of any client. NewError, WithMessage and
// WithHint make them one clean line each (see CleanLine) of at most MaxErrorText.
type Error struct {
	Code    Code
	Message string
	Hint    string
	// RetryAfter is how long to wait before repeating the request; 0 if that is not known.
	RetryAfter time.Duration
	cause      error
	origin     *Error // the Error that this is a copy of, see Is
}

// NewError returns an Error with the default hint of the code (see Code.Hint).
// The message is formatted as by fmt.Sprintf; it must be one line without a full stop.
func NewError(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: errorText(format, args), Hint: code.Hint()}
}

// WithHint returns a copy of e with the given hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := e.copy()
	c.Hint = errorText(format, args)
	return c
}

// WithMessage returns a copy of e with the given message.
func (e *Error) WithMessage(format string, args ...any) *Error {
	c := e.copy()
	c.Message = errorText(format, args)
	return c
}

func errorText(format string, args []any) string {
	return CleanLine(fmt.Sprintf(format, args...), MaxErrorText)
}

// WithRetryAfter returns a copy of e with the given time to wait.
func (e *Error) WithRetryAfter(wait time.Duration) *Error {
	c := e.copy()
	c.RetryAfter = wait
	return c
}

// WithCause returns a copy of e that wraps err. The cause is available to
// errors.Is and errors.As and to logs; it is never shown to users or sent.
func (e *Error) WithCause(err error) *Error {
	c := e.copy()
	c.cause = err
	return c
}

func (e *Error) copy() *Error {
	c := *e
	c.origin = e.identity()
	return &c
}

func (e *Error) identity() *Error {
	if e.origin != nil {
		return e.origin
	}
	return e
}

// Error returns the message without the cause.
func (e *Error) Error() string { return e.Message }

// ErrorCode implements Coded.
func (e *Error) ErrorCode() Code { return e.Code }

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is e, or both are copies (by WithHint, WithMessage
// or WithCause) of the same Error. Two errors of the same code are not the same
// error: compare CodeOf for that.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.identity() == e.identity()
}

// Coded is an error of any type that has a code.
type Coded interface {
	error
	ErrorCode() Code
}

// AsError returns the outermost error with a code in err's chain as an *Error.
// If there is none, it returns an Error of code internal with err as its cause.
// It returns nil only for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var coded Coded
	if !errors.As(err, &coded) {
		return NewError(CodeInternal, "something went wrong inside SoundExtract").WithCause(err)
	}
	if e, ok := coded.(*Error); ok {
		return e
	}
	return NewError(coded.ErrorCode(), "%s", coded.Error()).WithCause(coded)
}

// CodeOf returns the code of AsError(err), or "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}
