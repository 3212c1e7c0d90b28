package transfer

import (
	"context"
	"errors"

	"github.com/soundextract/sx/server/sx"
)

// diskError adds a code and a hint to an error of the local disk.
func diskError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case diskFull(err):
		return sx.NewError(sx.CodeStorageFull, "cannot %s: the local disk is full", doing).
			WithHint("free disk space and run the same command again to continue where it stopped").WithCause(err)
	case errors.Is(err, context.Canceled):
		return err
	}
	var path interface{ Unwrap() error }
	reason := err
	if errors.As(err, &path) && path.Unwrap() != nil {
		reason = path.Unwrap() // without the path, which doing contains
	}
	return sx.NewError(sx.CodeInvalid, "cannot %s: %v", doing, reason).
		WithHint("check the path and its permissions, or choose another one with -o").WithCause(err)
}
