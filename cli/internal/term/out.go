package term

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/soundextract/sx/server/sx"
)

// results is the standard output of the process. Its errors say that results could not be
// written, which is an error like others, not one of sx.
type results struct{ io.Writer }

func (r results) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	if err == nil {
		return n, nil
	}
	reason := err
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		reason = errno // without the file's name
	}
	known := sx.NewError(sx.CodeInvalid, "cannot write to standard output: %v", reason).
		WithHint("check what reads it or the disk that it is on").WithCause(err)
	if errors.Is(err, syscall.ENOSPC) {
		known.Code = sx.CodeStorageFull
	}
	return n, known
}

// Printf writes what a command has to say to Out.
func (s *IOStreams) Printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(s.Out, format, args...); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// CheckOut returns an *sx.Error if standard output is closed: writing to it would seem to
// succeed.
func (s *IOStreams) CheckOut() error {
	if !s.outClosed {
		return nil
	}
	return sx.NewError(sx.CodeInvalid, "standard output is closed").WithHint("pipe it, or write to a file with -o")
}
