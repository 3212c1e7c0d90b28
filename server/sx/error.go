package sx

import (
	"errors"
	"fmt"
)

// Error is the one error type of SoundExtract. Message says what is wrong,
// Hint says what to do next; both are meant for the person at the terminal.
type Error struct {
	Code    Code
	Message string
	Hint    string
	cause   error
}

// NewError makes an Error with the code's usual hint (see Code.Hint).
// The message is formatted as by fmt.Sprintf; it is one line without a full stop.
func NewError(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Hint: code.Hint()}
}

// WithHint returns a copy of e whose hint is the given one.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithCause returns a copy of e that remembers err. The cause is logged and
// never shown or sent: errors.Is and errors.As see it.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// Error gives the message alone, without the cause.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause, nil when there is none.
func (e *Error) Unwrap() error { return e.cause }

// Is makes two Errors equal to errors.Is when their codes are.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// AsError finds the *Error in err's chain. An error that has none becomes an
// Error of code internal with err as its cause. It is nil only for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return NewError(CodeInternal, "something went wrong inside SoundExtract").WithCause(err)
}

// CodeOf is the code of AsError(err), and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}
