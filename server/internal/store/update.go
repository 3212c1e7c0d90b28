package store

import (
	"context"
	"errors"
	"time"

	"github.com/soundextract/sx/server/backoff"
	"github.com/soundextract/sx/server/sx"
)

var (
	// ErrStale is returned by Replace and Delete if the record was changed
	// since it was read.
	ErrStale = sx.NewError(sx.CodeConflict, "the record was changed by another request at the same time")

	// ErrUnchanged is returned by a change function that finds nothing to
	// change: Update then stores nothing and returns it, like any other error.
	ErrUnchanged = errors.New("record unchanged")
)

// Update is the compare-and-set loop. It reads a record with get, passes it to
// change and stores it with replace. If replace returns ErrStale, Update starts
// again after a short pause, until it succeeds or ctx ends; after maxUpdates
// attempts, it returns an *sx.Error of code unavailable. So change may be called
// several times, each time with a record that was just read, and must have no
// effect that cannot be repeated.
//
// An error of get, change or replace is returned as it is; nothing is stored
// then. Update returns the record as it was stored, but with the Rev that it was
// read with. With an error it returns the record as it was read, or the zero
// value if it could not be read. What change modifies behind a pointer or in a
// slice, it must copy first.
func Update[T any](
	ctx context.Context, id string,
	get func(ctx context.Context, id string) (T, error),
	replace func(ctx context.Context, record T) error,
	change func(record *T) error,
) (T, error) {
	pause := backoff.Backoff{First: firstUpdatePause, Max: maxUpdatePause}
	for attempt := 1; ; attempt++ {
		before, err := get(ctx, id)
		if err != nil {
			var none T
			return none, err
		}
		after := before
		if err := change(&after); err != nil {
			return before, err
		}
		err = replace(ctx, after)
		switch {
		case err == nil:
			return after, nil
		case !errors.Is(err, ErrStale):
			return before, err
		}
		if attempt == maxUpdates {
			return before, sx.NewError(sx.CodeUnavailable, "the record %s changes too often", id)
		}
		// The writer that was faster may be about to change the record again.
		if err := backoff.Sleep(ctx, pause.Next()); err != nil {
			return before, err
		}
	}
}

// maxUpdates is far more than the requests and services that change one record at the
// same time. Together, the pauses take up to 5 s.
const (
	maxUpdates       = 100
	firstUpdatePause = time.Millisecond
	maxUpdatePause   = 50 * time.Millisecond
)
